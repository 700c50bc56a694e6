// Command tocsin is an alarm bell that sits next to an InfluxDB: it evaluates
// alert rules, tells people through many channels, and lets Claude, a command
// line and a web page manage it.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // rules name IANA zones, and a Pi's image may hold none

	"github.com/9bikes/tocsin/app/cli"
	"github.com/9bikes/tocsin/app/daemon"
)

// version is set by the release build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := daemon.Program{Version: fullVersion()}
	os.Exit(cli.Main(ctx, cli.Program{
		Version:       p.Version,
		ConfigFile:    p.ConfigFile, // the config
		Load:          p.Load,
		Find:          p.Find,    // where the daemon is, though the config cannot be read
		Serve:         p.Serve,   // the daemon: tick, plan, query, decide, commit, deliver
		MCP:           p.MCP,     // what Claude starts: stdio to the daemon, or to a server here
		Demo:          p.Demo,    // all of it on made-up data
		Daemon:        p.Daemon,  // the running one, at its socket
		Open:          p.Open,    // the database beside it
		Sources:       p.Sources, // what is measured
		LookForInflux: p.LookForInflux,
		ReadData:      p.ReadData,  // points of a file, to try rules on
		Builder:       p.Builder(), // channels' addresses
		Backup:        p.Backup,
		Restore:       p.Restore,
	}, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// fullVersion is the release's, or what the module system knows of the build.
func fullVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "dev" && info.Main.Version != "" &&
		info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return version
}
