// Command calls calls what the planted database says is vulnerable.
package main

import (
	"fmt"
	"net/textproto"
)

func main() { fmt.Println(textproto.TrimString(" x ")) }
