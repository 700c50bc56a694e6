package sqlite

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// The log as https://www.sqlite.org/fileformat2.html#walformat describes it.
const (
	logHeader   = 32
	frameHeader = 24
	logMagic    = 0x377f0682 // with the lowest bit the checksums are big-endian
)

// verifyLog reports whether a log has as many sound frames as its index says.
// SQLite itself looks at the checksums only after a crash.
func verifyLog(path string, frames int64) (err error) {
	if frames == 0 {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := bufio.NewReaderSize(f, 1<<16)
	head := make([]byte, logHeader)
	if _, err := io.ReadFull(r, head); err != nil {
		return fmt.Errorf("its head is missing: %w", err)
	}
	magic, page := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[8:])
	if magic&^1 != logMagic || page < 512 || page > 65536 {
		return errors.New("its head is garbage")
	}
	sum := checksum{order: binary.LittleEndian}
	if magic&1 == 1 {
		sum.order = binary.BigEndian
	}
	sum.add(head[:24])
	if !sum.is(head[24:]) {
		return errors.New("its head is damaged")
	}
	return verifyFrames(r, frames, make([]byte, frameHeader+int(page)), string(head[16:24]), &sum)
}

func verifyFrames(r io.Reader, frames int64, frame []byte, salt string, sum *checksum) error {
	for n := range frames {
		if _, err := io.ReadFull(r, frame); err != nil {
			return fmt.Errorf("it ends within frame %d of %d: %w", n+1, frames, err)
		}
		sum.add(frame[:8])
		sum.add(frame[frameHeader:])
		if string(frame[8:16]) != salt || !sum.is(frame[16:]) {
			return fmt.Errorf("frame %d of %d is damaged", n+1, frames)
		}
	}
	return nil
}

// checksum runs over all of a log.
type checksum struct {
	order binary.ByteOrder
	a, b  uint32
}

func (c *checksum) add(words []byte) {
	for ; len(words) >= 8; words = words[8:] {
		c.a += c.order.Uint32(words) + c.b
		c.b += c.order.Uint32(words[4:]) + c.a
	}
}

// is compares with a stored one, which is big-endian always.
func (c *checksum) is(stored []byte) bool {
	return c.a == binary.BigEndian.Uint32(stored) && c.b == binary.BigEndian.Uint32(stored[4:])
}
