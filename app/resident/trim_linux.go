package resident

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Trim lets go of the parts of the program's file that are in this
// process's memory: the start has touched most of it, and ticks need little.
// What is needed comes back, from the system's cache of the file.
func Trim() error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	if fixed, err := fixedProgram(path); err != nil || !fixed {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer func() { _ = maps.Close() }()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[5] != path || fields[1] != "r-xp" && fields[1] != "r--p" {
			continue
		}
		if err := forget(fields[0]); err != nil {
			return err
		}
	}
	return nil
}

// fixedProgram reports whether the program runs where its file says. Then what
// may only be read is as it is in the file; elsewhere it was changed when the
// program was loaded, and must not be let go of.
func fixedProgram(path string) (bool, error) {
	f, err := elf.Open(path)
	if err != nil {
		return false, err
	}
	return f.Type == elf.ET_EXEC, f.Close()
}

// forget lets go of a range of addresses, as in from-to.
func forget(addresses string) error {
	low, high, _ := strings.Cut(addresses, "-")
	from, err := strconv.ParseUint(low, 16, 64)
	if err != nil {
		return err
	}
	to, err := strconv.ParseUint(high, 16, 64)
	if err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, uintptr(from), uintptr(to-from), unix.MADV_DONTNEED); errno != 0 {
		return fmt.Errorf("let go of %s: %w", addresses, errno)
	}
	return nil
}
