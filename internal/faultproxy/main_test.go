package faultproxy

import (
	"testing"

	"github.com/parley-net/parley/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
