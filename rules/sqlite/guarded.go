package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/9bikes/tocsin/rules"
)

// Files says where a database is, and what is kept for it.
type Files struct {
	Path    string // the database
	Mark    string // beside it, that it is there
	Note    string // in memory, how far it is; "" for none
	Backups string // the directory of the backups of the days
	Memory  string // a directory in memory for a copy, "" for the system's
}

// Guarded is the Store of a daemon with what is done for its files, and how
// sound it is. While the real one cannot be written it is a temporary copy, which
// every door reads, so that memory is the truth for all of them.
type Guarded struct {
	*Store
	files Files
	log   *slog.Logger
	copy  string        // the directory of a temporary copy, "" for none
	left  []fingerprint // what the real files were when the copy was made
	note  string        // what people should know
	next  *Guarded      // takes its place
	// foreign says that the file in the real place is not ours to replace.
	foreign       bool
	lost          int64  // how far the one before was, whose contents this lacks; 0 for none
	broken        error  // why its contents are not to be used any more
	aside         string // where the files of a broken one are
	sound         bool   // its log is whole
	beside        int64  // the revision that was saved beside a foreign file
	after         string // what people should know of it when another takes its place
	mark          *watermark
	checkpointing checkpointing
}

// OpenGuarded opens the database. One that is damaged is set aside and the
// newest good backup takes its place, as it does for one that is gone or empty
// where there was one; one that cannot be written is run as a temporary copy,
// so that people are still told.
func OpenGuarded(ctx context.Context, f Files, log *slog.Logger) (*Guarded, error) {
	g := &Guarded{files: f, log: log, mark: newWatermark(f)}
	list := f.copies()
	known := g.mark.known() || len(list) > 0
	err := clearWay(f.Path)
	if err != nil {
		return nil, rules.FileTrouble("make room for", f.Path, err)
	}
	g.Store, err = Open(ctx, f.Path, Options{Migrate: true, Existing: known})
	switch {
	case err == nil:
		return g, g.accept(ctx)
	case errors.Is(err, ErrMalformed):
		return g, g.restoreNewest(ctx, list, err, "was damaged")
	case known && errors.Is(err, ErrGone):
		return g, g.restoreNewest(ctx, list, err, "was gone")
	case (errors.Is(err, ErrReadOnly) || errors.Is(err, ErrFull)) && readable(f.Path):
		log.Warn("the database cannot be written; running on a temporary copy", "error", err)
		return g, g.openCopy(ctx, err)
	}
	return nil, err
}

// accept goes on with a database that is sound. One that is not the last is
// told of, and its revision goes on from that: what is kept beside it is not a
// later state any more.
func (g *Guarded) accept(ctx context.Context) error {
	kept := rules.Aside(g.files.Path, "before")
	if os.Rename(g.files.Path+draftSuffix, kept) == nil { // as a rule there is none
		g.AddNote("what changed while tocsin could not write its own database is not in the one that is there now; "+
			"it is kept as %s", filepath.Base(kept))
	}
	have, err := g.Revision(ctx)
	if err != nil {
		return errors.Join(err, g.Close())
	}
	if missing := g.mark.revision() - have; missing > 0 {
		g.AddNote("the database is an earlier state: %d changes that were saved are not in it. While tocsin was down "+
			"another file was put in its place, or its log %s-wal was lost; look through `tocsin rules list`, "+
			"and see the backups beside it", missing, filepath.Base(g.files.Path))
		if err := g.AdvanceRevision(ctx, g.files.HighestRevision(ctx)); err != nil {
			return errors.Join(err, g.Close())
		}
	}
	return g.SaveRevision(ctx)
}

// SaveRevision writes down beside the database how far it is.
func (g *Guarded) SaveRevision(ctx context.Context) error {
	if g.copy != "" {
		return nil
	}
	have, err := g.Revision(ctx)
	if err != nil {
		return err
	}
	_ = g.mark.write(have) // a disk that cannot be written is found and told of by others
	return nil
}

// openCopy runs on a copy of the files in the runtime directory, which is in
// memory.
func (g *Guarded) openCopy(ctx context.Context, why error) error {
	return g.runOnCopy(ctx, why, func(dir string) error {
		for _, suffix := range []string{"", "-wal"} {
			if err := copyFile(g.files.Path+suffix, filepath.Join(dir, DatabaseEntry+suffix)); err != nil &&
				!errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}

// runOnCopy makes a copy with fill and opens it. The error is why there has to
// be one, if there cannot.
func (g *Guarded) runOnCopy(ctx context.Context, why error, fill func(dir string) error) error {
	g.left = fingerprints(g.files.Path)
	dir, err := os.MkdirTemp(g.files.Memory, "tocsin-copy-")
	if err != nil {
		return errors.Join(why, err)
	}
	if err := fill(dir); err != nil {
		return errors.Join(why, err, os.RemoveAll(dir))
	}
	store, err := Open(ctx, filepath.Join(dir, DatabaseEntry), Options{Migrate: true})
	if err != nil {
		return errors.Join(why, err, os.RemoveAll(dir))
	}
	g.Store, g.copy = store, dir
	fate := "is lost when it ends"
	if g.foreign {
		fate = "is saved as " + filepath.Base(g.files.Path) + draftSuffix + ", beside the file that is there now"
	}
	g.AddNote("%s; until then tocsin works on a copy in memory: what changes now %s", rules.Sentence(why), fate)
	return nil
}

// restoreNewest sets a database that is no good aside and goes on with the
// newest backup that is sound. Where there is none, a damaged one stays where it
// is; in the place of one that is gone begins a new one.
func (g *Guarded) restoreNewest(ctx context.Context, list []string, why error, what string) error {
	aside := rules.Aside(g.files.Path, "damaged")
	if err := setAside(g.files.Path, aside); err != nil {
		return errors.Join(why, err)
	}
	backup := newest(ctx, list)
	if backup == "" && errors.Is(why, ErrMalformed) {
		return errors.Join(fmt.Errorf("%w (there is no sound backup to restore)", why), setAside(aside, g.files.Path))
	}
	if err := g.startFrom(ctx, backup, why); err != nil {
		return errors.Join(err, setAside(aside, g.files.Path))
	}
	if backup == "" {
		g.AddNote("the database %s, and there is no sound backup: tocsin begins anew, without the rules that there were%s",
			what, keptAs(aside))
	} else {
		g.AddNote("the database %s; %s was restored, and what changed after it is lost%s",
			what, filepath.Base(backup), keptAs(aside))
	}
	return g.SaveRevision(ctx)
}

// AddNote adds to what people should know.
func (g *Guarded) AddNote(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if g.note == "" {
		g.note = "storage: " + text
	} else {
		g.note += "; " + text
	}
}

func keptAs(aside string) string {
	if _, err := os.Lstat(aside); err != nil {
		return ""
	}
	return ", and the file that was there is kept as " + filepath.Base(aside)
}

// startFrom opens a copy of base, or a new database where that is "", in its
// place, or in memory where the place cannot be written.
func (g *Guarded) startFrom(ctx context.Context, base string, why error) (err error) {
	if base != "" {
		err = placeCopy(base, g.files.Path)
	}
	if err == nil {
		g.Store, err = Open(ctx, g.files.Path, Options{Migrate: true})
	}
	if err == nil {
		return nil
	}
	return g.runOnCopy(ctx, errors.Join(why, err), func(dir string) error {
		if base == "" {
			return nil
		}
		return copyFile(base, filepath.Join(dir, DatabaseEntry))
	})
}

// Apart is why other processes must not use the real files, "" when they may.
func (g *Guarded) Apart() string {
	if g.copy == "" {
		return ""
	}
	return g.note
}

// Close closes the database and removes a temporary copy.
func (g *Guarded) Close() error {
	err := g.Store.Close()
	if g.copy != "" {
		err = errors.Join(err, os.RemoveAll(g.copy))
	}
	return err
}

// Note is what people should know of the database, "" when all is well.
func (g *Guarded) Note() string { return g.note }

// Lost is how far the database before was, whose contents this lacks, 0 when it
// lacks none.
func (g *Guarded) Lost() int64 { return g.lost }

// Complete says that what was lost is in it again.
func (g *Guarded) Complete() { g.lost = 0 }

// Newer reports whether the database was written after a backup.
func (g *Guarded) Newer(backup string) bool {
	made, err := os.Stat(backup)
	if err != nil {
		return true
	}
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(g.files.Path + suffix); err == nil && info.ModTime().After(made.ModTime()) {
			return true
		}
	}
	return false
}
