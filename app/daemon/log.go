package daemon

import (
	"log/slog"
	"os"

	"github.com/9bikes/tocsin/app/systemd"
)

// newLog writes to standard error; the journal dates lines by itself.
func newLog(level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: l}
	if systemd.Journal() {
		o.ReplaceAttr = undated
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

// undated leaves out the time of a record.
func undated(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 {
		return slog.Attr{}
	}
	return a
}
