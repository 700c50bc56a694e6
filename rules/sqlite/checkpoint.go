package sqlite

import "time"

// checkpointing decides when the log is checkpointed.
type checkpointing struct {
	frames       int64     // of the log at the last look
	since, quiet time.Time // when it had something to checkpoint first, and when it grew last
	last         time.Time // when it was checkpointed
}

const (
	checkpointQuiet = time.Minute
	checkpointEvery = 5 * time.Minute
	checkpointLarge = 1000 // frames: 4 MB
)

func (f *checkpointing) due(l WAL, now time.Time) bool {
	switch {
	case !l.Pending():
		*f = checkpointing{last: f.last}
		return false
	case f.since.IsZero():
		f.since, f.quiet, f.frames = now, now, l.Frames
	case l.Frames != f.frames:
		f.quiet, f.frames = now, l.Frames
	}
	quiet := now.Sub(f.quiet) >= checkpointQuiet && now.Sub(f.last) >= checkpointEvery
	return l.Touched || l.Frames >= checkpointLarge || quiet || now.Sub(f.since) >= checkpointEvery
}
