//go:build !unix

package app

import "os"

var moreSignals []os.Signal

func (s *signals) IsPiped(error) bool { return false }

func (s *signals) other(os.Signal) bool { return false }
