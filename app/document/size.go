package document

import (
	"fmt"
	"strconv"
	"strings"
)

var sizeUnits = []struct {
	name string
	size int
}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}}

// Size is a number of bytes within bounds, written with its unit.
func Size[T any](at func(*T) *int, least, most int) Value[T] {
	v := Parsed(at, func(text string) (int, error) {
		for _, unit := range sizeUnits {
			number, ok := strings.CutSuffix(strings.ToUpper(text), unit.name)
			if n, err := strconv.Atoi(strings.TrimSpace(number)); ok && err == nil && n <= most/unit.size &&
				n*unit.size >= least {
				return n * unit.size, nil
			}
		}
		return 0, fmt.Errorf("must be a size with a unit, from %s to %s; got %s", sizeText(least), sizeText(most),
			Quoted(text))
	})
	v.Show = func(t *T, path string, each Each) {
		if n := *at(t); n != 0 {
			each(path, sizeText(n))
		}
	}
	return v.In("size, " + sizeText(least) + " to " + sizeText(most))
}

func sizeText(n int) string {
	for _, unit := range sizeUnits {
		if n%unit.size == 0 {
			return strconv.Itoa(n/unit.size) + unit.name
		}
	}
	return strconv.Itoa(n)
}
