package daemon

import "testing"

// TestDescriptorsAreKept for the database and for sending, however few there
// are.
func TestDescriptorsAreKept(t *testing.T) {
	for _, tt := range []struct {
		descriptors, kept uint64
		most              int
	}{
		{0, 0, 512},
		{1 << 62, 0, 512},
		{524288, 0, 512},
		{1024, 500, 512},
		{256, 160, 512},
		{64, 40, 18},
	} {
		listener, socket := connections(tt.descriptors)
		if n := listener + socket; n > tt.most || n < 18 || tt.descriptors > 0 && tt.descriptors-uint64(n) < tt.kept {
			t.Errorf("of %d: %d and %d connections", tt.descriptors, listener, socket)
		}
	}
}
