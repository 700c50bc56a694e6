package local

// giveToGroup does nothing: files have the rights of their directory.
func giveToGroup(string, int) error { return nil }

// ownedBy trusts nobody: there is no directory in memory.
func ownedBy(string, string) bool { return false }
