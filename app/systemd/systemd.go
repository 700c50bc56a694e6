// Package systemd tells the service manager how the daemon is: that it is
// ready, reloads and ends, and, while its work moves on, that it need not be
// killed. Where none started the daemon there is nobody to tell. What counts as
// moving on is for its caller to say.
package systemd

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/coreos/go-systemd/v22/journal"
)

// Manager is the one that started the process. The zero value is none.
type Manager struct {
	send    func(state string)
	patient time.Duration // how long it waits for a sign of life, 0 for ever
}

// Open returns the manager that the environment names. What it is not told is
// logged: it acts on that by itself.
func Open(log *slog.Logger) Manager {
	patient, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog of systemd is not fed", "error", err)
	}
	return Manager{patient: patient, send: func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn("systemd was not told", "what", state, "error", err)
		}
	}}
}

func (m Manager) tell(state string) {
	if m.send != nil {
		m.send(state)
	}
}

// Ready says that the daemon works; status is a line for people.
func (m Manager) Ready(status string) { m.tell(daemon.SdNotifyReady + "\nSTATUS=" + status) }

// Reloading says that the config is read anew; Ready ends it.
func (m Manager) Reloading() { m.tell(daemon.SdNotifyReloading + "\nSTATUS=reads its config") }

// Stopping says that the daemon ends.
func (m Manager) Stopping() { m.tell(daemon.SdNotifyStopping + "\nSTATUS=writes what is in memory") }

// Watch gives the manager's watchdog a sign of life, three in the time that it
// waits, as long as alive says so. An alive that does not return gives none.
func (m Manager) Watch(ctx context.Context, alive func(context.Context) bool) error {
	if m.patient == 0 {
		return nil
	}
	beat := time.NewTicker(m.patient / 3)
	defer beat.Stop()
	for {
		if alive(ctx) {
			m.tell(daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
		}
	}
}

// Journal reports whether what is written to standard error goes to the journal,
// which dates each line by itself.
func Journal() bool {
	if os.Getenv("JOURNAL_STREAM") == "" {
		return false
	}
	is, err := journal.StderrIsJournalStream()
	return err == nil && is
}
