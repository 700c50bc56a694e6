package sqlite

// GiveTo does nothing: files have the rights of their directory.
func GiveTo(string, string) error { return nil }
