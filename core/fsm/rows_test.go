package fsm

import (
	"go/ast"
	"go/parser"
	tokens "go/token"
	"os"
	"strings"
	"testing"
)

// TestRows_EveryPrefix_HasALetterOfItsOwn: two kinds of rows under one letter read each
// other's as damaged, and a node takes that for a hole in its state.
func TestRows_EveryPrefix_HasALetterOfItsOwn(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]string{}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(tokens.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, x := range v.Values {
				lit, ok := x.(*ast.BasicLit)
				name := v.Names[i].Name
				if !ok || lit.Kind != tokens.CHAR || !strings.HasPrefix(name, "row") && !strings.HasSuffix(name, "Key") {
					continue
				}
				if other, taken := of[lit.Value]; taken {
					t.Errorf("%s and %s both have the letter %s", other, name, lit.Value)
				}
				of[lit.Value] = name
			}
			return true
		})
	}
	if len(of) < 20 {
		t.Errorf("only %d prefixes were found", len(of))
	}
}
