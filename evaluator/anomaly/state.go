package anomaly

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// form names the layout of a state that was written.
const form = 1

// MarshalBinary writes the state, in less than four kilobytes.
func (d *Detector) MarshalBinary() ([]byte, error) {
	out, err := binary.Append([]byte{form}, binary.LittleEndian, &d.memory)
	if err != nil {
		return nil, fmt.Errorf("write a detector: %w", err)
	}
	return out, nil
}

// UnmarshalBinary reads what MarshalBinary wrote. It fails on all else, and then
// changes nothing.
func (d *Detector) UnmarshalBinary(text []byte) error {
	var m memory
	if len(text) != 1+binary.Size(&m) || text[0] != form {
		return errors.New("read a detector: it has another form")
	}
	if err := binary.Read(bytes.NewReader(text[1:]), binary.LittleEndian, &m); err != nil {
		return fmt.Errorf("read a detector: %w", err)
	}
	if m.At >= ringSize || m.Held > ringSize || m.Day.Part < 0 || int(m.Day.Part) >= len(m.DayCells) ||
		m.Week.Part < 0 || int(m.Week.Part) >= len(m.WeekCells) {
		return errors.New("read a detector: it points outside of itself")
	}
	d.memory = m
	return nil
}
