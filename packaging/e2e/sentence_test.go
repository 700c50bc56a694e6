package e2e_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// aTool is the name of one of app/mcp's tools, aCommand one of the command line
// or a flag of it.
var (
	aTool = regexp.MustCompile(`\b((create|update|delete|preview)_alert_rule|list_(alerts|alert_rules|changes|channels)|` +
		`explain_alert|acknowledge_alert|manage_silences|test_channel|undo_change|describe_data|query_data|get_status)\b`)
	aCommand = regexp.MustCompile("`tocsin |\\btocsin (serve|rules|alerts|channels|silences|tokens|sources|config|doctor|status|audit|init)\\b|" +
		`(^|[^-\w])--[a-z][a-z-]+`)
)

// makers make refusals, in the centre or for it.
var makers = []string{"Errorf", "FieldErrorf", "WithHint", "Placed"}

// TestTheCentreNamesNoDoor holds the centre to sentences that every door can
// say: what a door calls otherwise is a hint. What is sent to people, who have
// no door at hand, and the warnings of a house name commands still.
func TestTheCentreNamesNoDoor(t *testing.T) {
	seen := 0
	for folder := range mayImport {
		eachFile(t, folder, func(set *token.FileSet, f *ast.File) {
			ast.Inspect(f, func(n ast.Node) bool {
				if text, ok := literal(n); ok && aTool.MatchString(text) {
					t.Errorf("%s names a tool: %q", set.Position(n.Pos()), text)
				}
				call, ok := n.(*ast.CallExpr)
				if !ok || !slices.Contains(makers, called(call)) {
					return true
				}
				for _, arg := range call.Args {
					ast.Inspect(arg, func(n ast.Node) bool {
						text, ok := literal(n)
						if ok {
							seen++
						}
						if ok && aCommand.MatchString(text) {
							t.Errorf("%s names a command: %q", set.Position(n.Pos()), text)
						}
						return true
					})
				}
				return true
			})
		})
	}
	if seen < 300 {
		t.Errorf("only %d sentences were read", seen)
	}
}

// TestDoorsWordEachCure holds the two doors that reach everything to words for
// each cure, be they none.
func TestDoorsWordEachCure(t *testing.T) {
	var cures []string
	eachFile(t, "rules", func(_ *token.FileSet, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok {
				if kind, named := v.Type.(*ast.Ident); named && kind.Name == "Cure" {
					cures = append(cures, v.Names[0].Name)
				}
			}
			return true
		})
	})
	if len(cures) < 10 {
		t.Fatalf("cures = %v", cures)
	}
	for _, folder := range []string{"app/cli", "app/mcp"} {
		worded := map[string]bool{}
		eachFile(t, folder, func(_ *token.FileSet, f *ast.File) {
			ast.Inspect(f, func(n ast.Node) bool {
				pair, ok := n.(*ast.KeyValueExpr)
				if !ok {
					return true
				}
				if key, ok := pair.Key.(*ast.SelectorExpr); ok {
					worded[key.Sel.Name] = true
				}
				return true
			})
		})
		for _, cure := range cures {
			if !worded[cure] {
				t.Errorf("%s has no words for %s", folder, cure)
			}
		}
	}
}

// searches are the functions that look into a text or change it.
var searches = regexp.MustCompile(`^(Contains\w*|Replace\w*|Has(Prefix|Suffix)|Cut\w*|Trim(Prefix|Suffix)|Index\w*|MatchString|` +
	`Split\w*|EqualFold)$`)

// TestNoDoorMatchesSentences holds the doors to codes, fields and hints.
func TestNoDoorMatchesSentences(t *testing.T) {
	seen := 0
	for _, folder := range []string{"app/cli", "app/clients", "app/mcp", "app/web", "app/local", "app/stdio", wiring} {
		eachFile(t, folder, func(set *token.FileSet, f *ast.File) {
			seen++
			ast.Inspect(f, func(n ast.Node) bool {
				if fn, ok := n.(*ast.FuncDecl); ok && fn.Body != nil {
					refuseSearches(t, set, fn)
				}
				return true
			})
		})
	}
	if seen < 80 {
		t.Errorf("only %d files were read", seen)
	}
}

// refuseSearches finds what looks into the sentence of an error, also by the name
// of a variable that holds one.
func refuseSearches(t *testing.T, set *token.FileSet, fn *ast.FuncDecl) {
	t.Helper()
	holds := map[string]bool{}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		for i := 0; ok && i < len(a.Lhs) && len(a.Lhs) == len(a.Rhs); i++ {
			if name, ok := a.Lhs[i].(*ast.Ident); ok && saysError(a.Rhs[i]) {
				holds[name.Name] = true
			}
		}
		return true
	})
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !searches.MatchString(called(call)) || len(call.Args) == 0 {
			return true
		}
		name, isName := call.Args[0].(*ast.Ident)
		if saysError(call.Args[0]) || isName && holds[name.Name] {
			t.Errorf("%s looks into the sentence of an error; its code, field and hints are for that",
				set.Position(call.Pos()))
		}
		return true
	})
}

// saysError reports whether an expression is the sentence of an error.
func saysError(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CallExpr:
		name := called(e)
		return name == "Error" && len(e.Args) == 0 || name == "Sentence"
	case *ast.SelectorExpr: // of a *rules.Error, by the names that those have
		of, ok := e.X.(*ast.Ident)
		return ok && e.Sel.Name == "Text" && slices.Contains([]string{"e", "err", "ours", "known", "refused"}, of.Name)
	}
	return false
}

func called(call *ast.CallExpr) string {
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		return fn.Name
	case *ast.SelectorExpr:
		return fn.Sel.Name
	}
	return ""
}

func literal(n ast.Node) (string, bool) {
	l, ok := n.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}

// eachFile reads the files of a folder that are no tests.
func eachFile(t *testing.T, folder string, look func(*token.FileSet, *ast.File)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		look(set, f)
	}
}
