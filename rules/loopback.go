package rules

import (
	"net/netip"
	"strings"
)

// Loopback reports whether a host, a name or an address without its port, leads to
// this machine itself and never leaves it.
func Loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback() || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")
}
