// Package migrations holds the schemas of the stores as numbered steps, one
// folder for each dialect. A file is never edited once it was released; what
// changes comes as a new one.
package migrations

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

//go:embed sqlite/*.sql mysql/*.sql
var files embed.FS

// SQLite returns the steps of the embedded store.
func SQLite() fs.FS { return folder("sqlite") }

// MySQL returns the steps of the hosted store.
func MySQL() fs.FS { return folder("mysql") }

func folder(name string) fs.FS {
	dir, err := fs.Sub(files, name)
	if err != nil {
		panic(err) // the names are ours and valid
	}
	return dir
}

// Newest returns the number of the last step in dir, which is the schema that
// this binary knows.
func Newest(dir fs.FS) (int64, error) {
	names, err := fs.Glob(dir, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("list migrations: %w", err)
	}
	var newest int64
	for _, name := range names {
		digits, _, _ := strings.Cut(path.Base(name), "_")
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read the number of migration %s: %w", name, err)
		}
		newest = max(newest, n)
	}
	return newest, nil
}
