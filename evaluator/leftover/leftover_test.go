package leftover_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/evaluator/leftover"
)

// TestMemoryIsGivenBackALittleLater, when what took it is let go of.
func TestMemoryIsGivenBackALittleLater(t *testing.T) {
	collected := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumForcedGC
	}
	synctest.Test(t, func(t *testing.T) {
		before := collected()
		var memory leftover.Memory
		memory.GiveBack()
		time.Sleep(time.Second)
		if collected() != before {
			t.Error("it is given back at once")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if collected() == before {
			t.Error("it is not given back")
		}
		before = collected()
		memory.GiveBack()
		memory.Stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if collected() != before {
			t.Error("it is given back after the end")
		}
	})
}
