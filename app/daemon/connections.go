package daemon

// connections are how many the listener and the local socket keep open when
// this process may have so many descriptors, 0 for any number. Half of them and
// 32 are kept for the database, the sources and for sending.
func connections(descriptors uint64) (listener, socket int) {
	const most, least, kept = 512, 18, 64
	n := most
	if descriptors > 0 && descriptors < 2*most+kept {
		n = max(least, (int(descriptors)-kept)/2)
	}
	return n * 2 / 3, n / 3
}
