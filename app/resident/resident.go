// Package resident keeps small what this process has in memory. The start
// touches nearly all of the program's file, which is large, and the system counts
// each page of it as the process's until memory is short. What a tick needs comes
// back by itself. Garbage is no matter of this package, but of app/daemon.
//
// Measured with the release build on linux/amd64, as VmRSS (MB):
//
//	                            with Trim   without
//	a daemon without a source        22.7      36.1   of which the file is 15.3 and 28.7
//	1,000 rules, one per host        28.0      40.1
//	10,000 rules, ten fields         55.5      67.8
//
// so that without it what packaging/bench allows, 40 and 60 MB, does not suffice.
package resident
