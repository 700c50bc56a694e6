package local

// giveToGroup does nothing: there is no local socket.
func giveToGroup(string, int) error { return nil }
