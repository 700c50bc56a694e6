package daemon

// giveTo does nothing: files have the rights of their directory.
func giveTo(string, string) error { return nil }
