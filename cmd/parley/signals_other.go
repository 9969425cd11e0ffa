//go:build !unix

package main

import "os"

var moreSignals []os.Signal

func (s *signals) isPiped(error) bool { return false }

func (s *signals) other(os.Signal) bool { return false }
