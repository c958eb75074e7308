// Command wardline is the line between a city's wards and its command centre.
package main

import (
	"fmt"
	"os"
)

// version is set by the release build.
var version = "dev"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Println("wardline", version)
		return
	}
	fmt.Fprintln(os.Stderr, "usage: wardline version")
	os.Exit(2)
}
