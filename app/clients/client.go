// Package clients knows the programs that start MCP servers: where each keeps its
// list, what an entry looks like there, and how one is put into it without
// touching anything else in the file. It is the part of app/cli behind `tocsin
// init`; what is asked of people and what is printed stays there.
package clients

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Client is a program that starts MCP servers.
type Client struct {
	Name, Title string
	servers     string // the key of the list in the file
	typed       bool   // an entry says that it is of type stdio
	comments    bool   // its file may have comments and trailing commas
	file        func() (string, error)
	After       string // what people do when the entry is there
}

// known are all of them.
func known() []Client {
	return []Client{
		{
			"claude-code", "Claude Code", "mcpServers", true, false, claudeCodeFile,
			"New sessions of Claude Code have it; `claude mcp list` shows whether it answers.",
		},
		{
			"claude-desktop", "Claude Desktop", "mcpServers", false, false, claudeDesktopFile,
			"Quit Claude Desktop, also in the tray, and start it again.",
		},
		{"cursor", "Cursor", "mcpServers", true, false, cursorFile, "Switch it on in Cursor's settings under MCP."},
		{"vscode", "VS Code", "servers", true, true, vscodeFile, "In VS Code, run \"MCP: List Servers\" and start it."},
	}
}

// Find returns the one that is called so; it refuses other names.
func Find(name string) (Client, error) {
	list := known()
	if i := slices.IndexFunc(list, func(c Client) bool { return c.Name == name }); i >= 0 {
		return list[i], nil
	}
	var names []string
	for _, c := range list {
		names = append(names, c.Name)
	}
	if name == "" {
		return Client{}, rules.FieldErrorf("--client", "is missing: %s; for example --client claude-code",
			strings.Join(names, ", "))
	}
	return Client{}, rules.FieldErrorf("--client", "there is no %q; known: %s", name, strings.Join(names, ", "))
}

func homeFile(parts ...string) (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", rules.Errorf(rules.Unavailable, "this user has no home directory: set HOME")
	}
	return filepath.Join(append([]string{home}, parts...)...), nil
}

// settingsFile is below where programs of this system keep their settings:
// ~/.config, ~/Library/Application Support or %AppData%.
func settingsFile(parts ...string) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", rules.Errorf(rules.Unavailable, "this user has no directory for settings: set HOME")
	}
	return filepath.Join(append([]string{dir}, parts...)...), nil
}

func claudeCodeFile() (string, error) {
	if dir := os.Getenv("CLAUDE_CONFIG_DIR"); dir != "" {
		return filepath.Join(dir, ".claude.json"), nil
	}
	return homeFile(".claude.json")
}

// claudeDesktopFile knows that Windows hides the settings of a packaged program
// in a place of the package, and that Claude Desktop is one since 2026.
func claudeDesktopFile() (string, error) {
	const name = "claude_desktop_config.json"
	if local := os.Getenv("LOCALAPPDATA"); local != "" {
		packaged, err := filepath.Glob(filepath.Join(local, "Packages", "Claude_*", "LocalCache", "Roaming", "Claude"))
		if err == nil && len(packaged) == 1 {
			return filepath.Join(packaged[0], name), nil
		}
	}
	return settingsFile("Claude", name)
}

func cursorFile() (string, error) { return homeFile(".cursor", "mcp.json") }
func vscodeFile() (string, error) { return settingsFile("Code", "User", "mcp.json") }

// Request asks for an entry: its name, and the command that it starts.
type Request struct {
	Name, Command string
	Args          []string
	Write         bool // put it into the client's file
}

// Entry is a client's entry and where it belongs.
type Entry struct {
	Name    string          `json:"name"` // of the client
	File    string          `json:"file"`
	Entry   json.RawMessage `json:"entry"`             // as the file has it
	Command string          `json:"command,omitempty"` // that makes the same entry
	Written bool            `json:"written"`           // the file has it now
	Changed bool            `json:"changed"`           // it did not have it before
	Backup  string          `json:"backup,omitempty"`  // the file as it was
}

// Place makes the entry, and writes it if that is wanted. A file that cannot be
// read as the client would is refused and left alone.
func (c Client) Place(r Request) (e Entry, err error) {
	e = Entry{Name: c.Name}
	if e.File, err = c.file(); err != nil {
		return e, err
	}
	fields := c.entry(r.Command, r.Args)
	if e.Entry, err = c.shown(r.Name, fields); err != nil {
		return e, err
	}
	if c.Name == "claude-code" {
		e.Command = Quoted(slices.Concat([]string{"claude", "mcp", "add", "--scope", "user", r.Name, "--", r.Command},
			r.Args)...)
	}
	if !r.Write {
		return e, nil
	}
	done, err := c.write(e.File, r.Name, fields, time.Now())
	e.Written, e.Changed, e.Backup = err == nil, done.changed, done.backup
	return e, err
}

// field is one key of an entry.
type field struct {
	key   string
	value any
}

// entry is how a client starts a server.
func (c Client) entry(command string, args []string) []field {
	out := []field{{"command", command}, {"args", args}}
	if c.typed {
		out = slices.Insert(out, 0, field{"type", "stdio"})
	}
	return out
}

// written is what came of writing an entry.
type written struct {
	changed bool
	backup  string // a copy of the file as it was, "" when there was none
}

// write puts an entry into the client's file. It keeps everything else that is
// there, and the file as it was beside it.
func (c Client) write(file, name string, fields []field, now time.Time) (written, error) {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real // a link to a file in somebody's collection stays one
	}
	before, err := os.ReadFile(file)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return written{}, untouched("read", file, err)
	}
	after, err := c.merge(before, name, fields)
	if err != nil {
		return written{}, rules.Errorf(rules.Invalid, "%s %v; nothing was changed: mend the file, or add the entry by hand",
			file, err)
	}
	if string(before) == string(after) {
		return written{}, nil
	}
	mode, backup := fs.FileMode(0o600), ""
	if !missing {
		info, err := os.Stat(file)
		if err != nil {
			return written{}, fmt.Errorf("look at %s: %w", file, err)
		}
		mode, backup = info.Mode().Perm(), file+".before-tocsin-"+now.UTC().Format("20060102T150405.000000Z")
		if err := create(backup, before, mode); err != nil {
			return written{}, err
		}
	}
	return written{true, backup}, replace(file, before, after, mode)
}

// untouched says why a file could not be had, before anything was changed.
func untouched(act, file string, err error) error {
	return rules.Errorf(rules.Unavailable, "cannot %s %s: %v; nothing was changed", act, file, rules.Cause(err))
}

// create makes a file that is not there yet.
func create(file string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return untouched("write", file, err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(untouched("write", file, err), os.Remove(file))
	}
	return nil
}

// replace puts a new text in the place of the old one, at once, unless the
// client has written the file meanwhile.
func replace(file string, before, after []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return untouched("make", filepath.Dir(file), err)
	}
	draft := fmt.Sprintf("%s.tocsin-%d", file, os.Getpid())
	if err := create(draft, after, mode); err != nil {
		return err
	}
	present, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || string(present) != string(before) {
		return errors.Join(rules.Errorf(rules.Conflict,
			"%s was changed meanwhile; nothing was changed: close the program that uses it and try again", file),
			os.Remove(draft))
	}
	if err := os.Rename(draft, file); err != nil {
		return errors.Join(untouched("write", file, err), os.Remove(draft))
	}
	return nil
}

// shown is an entry as the file has it.
func (c Client) shown(name string, fields []field) (json.RawMessage, error) {
	empty, err := c.merge(nil, name, fields)
	return json.RawMessage(strings.TrimSpace(string(empty))), err
}

// Quoted is a command line that a shell takes apart into args again.
func Quoted(args ...string) string {
	var out []string
	for _, arg := range args {
		plain := arg != "" && strings.IndexFunc(arg, func(r rune) bool {
			return !strings.ContainsRune(`-_./:=@%+,\`, r) && !isAlnum(r)
		}) < 0
		if !plain || strings.ContainsRune(arg, '\\') && os.PathSeparator == '/' {
			arg = quote(arg)
		}
		out = append(out, arg)
	}
	return strings.Join(out, " ")
}

func isAlnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func quote(arg string) string {
	if os.PathSeparator == '\\' {
		return `"` + arg + `"` // no file name of Windows has one
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
