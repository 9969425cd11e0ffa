//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// jsonAnswers is the command "answers": it answers every message it is told of, some
// of them with a large one.
func jsonAnswers() {
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		var r struct {
			Conn      int
			Dir, Text string
		}
		if json.Unmarshal([]byte(line), &r); r.Dir == "in" {
			text := "ok"
			if r.Text == "large" {
				text = strings.Repeat("x", 100_000)
			}
			fmt.Printf("{\"conn\":%d,\"text\":%q}\n", r.Conn, text)
		}
	}
}
