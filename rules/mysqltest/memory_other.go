//go:build !linux

package mysqltest

// memory is a directory in memory, "" for none.
func memory() string { return "" }
