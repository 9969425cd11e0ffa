package main

import (
	"regexp"
	"runtime"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptUntil runs a program until its standard output matches: "until REGEXP PROGRAM
// ARG…". What nodes tell of themselves comes when it comes.
func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until regexp program [arg…]")
	}
	want := regexp.MustCompile("(?m)" + args[0])
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no match for %q within %v", args[0], patience)
		}
	}
}

// scriptAdds checks what numbers in a file are together: "adds SUM REGEXP FILE", where
// the first group of the expression is the number. A summary may come in parts, as its
// second may end before what it sums up.
func scriptAdds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: adds sum regexp file")
	}
	sum := 0
	for _, found := range regexp.MustCompile("(?m)"+args[1]).FindAllStringSubmatch(ts.ReadFile(args[2]), -1) {
		n, err := strconv.Atoi(found[1])
		ts.Check(err)
		sum += n
	}
	if strconv.Itoa(sum) != args[0] {
		ts.Fatalf("%s adds up to %d, want %s", args[1], sum, args[0])
	}
}
