package influx3

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// errTooLarge is what Arrow is told that wants more room than an answer may
// take.
var errTooLarge = errors.New("larger than max_answer")

// bounded makes no room for more than the largest answer that a Client takes.
// How long a compressed column is stands in the answer, and Arrow believes it.
type bounded struct {
	memory.Allocator
	most atomic.Int64
}

// room is the only allocator of this program that Arrow knows: the driver takes
// none but the default.
var room = &bounded{}

var useRoom = sync.OnceFunc(func() {
	room.Allocator = memory.DefaultAllocator
	memory.DefaultAllocator = room
})

// raise lets an answer be so large.
func (b *bounded) raise(most int) {
	for {
		now := b.most.Load()
		if int64(most) <= now || b.most.CompareAndSwap(now, int64(most)) {
			return
		}
	}
}

// Allocate panics where it refuses, as there is no other way; who reads an
// answer turns that into an error.
func (b *bounded) Allocate(size int) []byte {
	if size < 0 || int64(size) > b.most.Load() {
		panic(errTooLarge)
	}
	return b.Allocator.Allocate(size)
}

// Reallocate is as Allocate.
func (b *bounded) Reallocate(size int, old []byte) []byte {
	if size < 0 || int64(size) > b.most.Load() {
		panic(errTooLarge)
	}
	return b.Allocator.Reallocate(size, old)
}
