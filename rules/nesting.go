package rules

// MostNesting is how deep brackets may be nested in an expression or a query. A
// parser calls itself for each level.
const MostNesting = 64

// Nesting is how deep the brackets of a text are nested at the deepest.
// Brackets within quotes count too.
func Nesting(text string) (deepest int) {
	open := 0
	for i := range len(text) {
		switch text[i] {
		case '(', '[', '{':
			open++
			deepest = max(deepest, open)
		case ')', ']', '}':
			open = max(0, open-1)
		}
	}
	return deepest
}
