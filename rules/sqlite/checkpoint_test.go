package sqlite

import (
	"testing"
	"time"
)

// TestALogIsFolded: at once when it is large or another wrote into the file,
// else when it was quiet, and after some minutes whatever happens.
func TestALogIsFolded(t *testing.T) {
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		log   func(look int64) WAL
		after time.Duration // the first look at which it is due; 0 for never in ten minutes
	}{
		{"nothing to checkpoint", func(int64) WAL { return WAL{Frames: 5000, Checkpointed: 5000} }, 0},
		{"touched", func(int64) WAL { return WAL{Frames: 1, Touched: true} }, time.Second},
		{"large", func(look int64) WAL { return WAL{Frames: 100 * look} }, 10 * time.Second},
		{"quiet", func(int64) WAL { return WAL{Frames: 10} }, time.Second + checkpointQuiet},
		{"never quiet", func(look int64) WAL { return WAL{Frames: look} }, time.Second + checkpointEvery},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f checkpointing
			got := time.Duration(0)
			for look := int64(1); look <= 600 && got == 0; look++ {
				after := time.Duration(look) * time.Second
				if f.due(tt.log(look), noon.Add(after)) {
					got = after
				}
			}
			if got != tt.after {
				t.Errorf("due after %s, want %s", got, tt.after)
			}
		})
	}
}
