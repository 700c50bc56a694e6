package sqlite

import "time"

// folding decides when a log is folded.
type folding struct {
	frames       int64     // of the log at the last look
	since, quiet time.Time // when it had something to fold first, and when it grew last
	last         time.Time // when it was folded
}

const (
	foldQuiet = time.Minute
	foldAtAll = 5 * time.Minute
	foldLarge = 1000 // frames: 4 MB
)

func (f *folding) due(l Log, now time.Time) bool {
	switch {
	case !l.Pending():
		*f = folding{last: f.last}
		return false
	case f.since.IsZero():
		f.since, f.quiet, f.frames = now, now, l.Frames
	case l.Frames != f.frames:
		f.quiet, f.frames = now, l.Frames
	}
	quiet := now.Sub(f.quiet) >= foldQuiet && now.Sub(f.last) >= foldAtAll
	return l.Touched || l.Frames >= foldLarge || quiet || now.Sub(f.since) >= foldAtAll
}
