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

// checkProgram bounds what is handed to a parser.
func checkProgram(field, text string, most int) error {
	if len(text) > most {
		return FieldErrorf(field, "must be at most %d bytes; got %d", most, len(text))
	}
	if n := Nesting(text); n > MostNesting {
		return FieldErrorf(field, "must not nest brackets deeper than %d levels; got %d", MostNesting, n)
	}
	return nil
}
