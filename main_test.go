package parley_test

import (
	"os"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m, func() { parley.PrintSteps(os.Stdout) }) }
