//go:build !simulation

package limiter

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A mutant is the core with one thing wrong in it, which the simulation must find. Comments in the
// source say where and how:
//
//	//mutant:OPERATION NAME...
//
// stands right above the statement that is changed. A statement may have several of them. The
// operations below don't name what they change, so that renaming breaks no mutant. A mutant whose
// name stands in several places makes all these changes at once.

// operations return, for the statement under a comment, the text to replace and its replacement.
var operations = map[string]func(m *mutator) (ast.Node, string){
	// The statement isn't executed.
	"drop": func(m *mutator) (ast.Node, string) { return m.at, "if false { " + m.text(m.at) + " }" },
	// The condition, or the value that is assigned, is always so.
	"true":  func(m *mutator) (ast.Node, string) { return m.value(), "((" + m.text(m.value()) + ") || true)" },
	"false": func(m *mutator) (ast.Node, string) { return m.value(), "((" + m.text(m.value()) + ") && false)" },
	// Of "X || Y", or "X | Y", only X counts.
	"left": func(m *mutator) (ast.Node, string) {
		b := m.value()
		if call, ok := b.(*ast.CallExpr); ok {
			b = call.Args[len(call.Args)-1]
		}
		return b, m.text(b.(*ast.BinaryExpr).X)
	},
	// max(0, X) is X.
	"unclamp": func(m *mutator) (ast.Node, string) {
		call := m.call("max")
		return call, m.text(call.Args[1])
	},
	// min(X, Y) is X.
	"first": func(m *mutator) (ast.Node, string) {
		call := m.call("min")
		return call, m.text(call.Args[0])
	},
	// An atomic read and write is a read and a write.
	"nonatomic": func(m *mutator) (ast.Node, string) {
		if call := m.call("And"); call != nil {
			word := m.text(call.Fun.(*ast.SelectorExpr).X)
			return call, "func() int64 { v := " + word + ".Load(); " + m.text(call) + "; return v }()"
		}
		call := m.call("CompareAndSwap")
		word := m.text(call.Fun.(*ast.SelectorExpr).X)
		return call, "func() bool { " + word + ".Store(" + m.text(call.Args[1]) + "); return true }()"
	},
	// "X < 0" is true only for the lowest number.
	"lowest": func(m *mutator) (ast.Node, string) {
		b := m.binary(token.LSS)
		return b, m.text(b.X) + " == -1<<63"
	},
	// The new value of a compare-and-swap lacks its lowest bit.
	"even": func(m *mutator) (ast.Node, string) {
		arg := m.call("CompareAndSwap").Args[1]
		return arg, "(" + m.text(arg) + ")&^1"
	},
	// The value is 0, or a second (in nanoseconds) less.
	"zero": func(m *mutator) (ast.Node, string) { return m.value(), "(" + m.text(m.value()) + ") * 0" },
	"less": func(m *mutator) (ast.Node, string) { return m.value(), "(" + m.text(m.value()) + ") - 1e9" },
	// The value is the function's second parameter.
	"parameter1": func(m *mutator) (ast.Node, string) { return m.value(), m.parameters()[0] },
	// The statement "copy" also comes before the statement "here".
	"here": func(m *mutator) (ast.Node, string) { return m.at, m.copied + "\n" + m.text(m.at) },
	"copy": func(m *mutator) (ast.Node, string) { return m.at, m.text(m.at) },
}

// mutator is a place that an operation is applied to.
type mutator struct {
	source []byte
	file   *token.File
	at     ast.Node // the statement
	inside *ast.FuncDecl
	copied string
}

func (m *mutator) text(n ast.Node) string {
	return string(m.source[m.file.Offset(n.Pos()):m.file.Offset(n.End())])
}

// value is the condition of an if or a case, what is assigned or returned, or a call.
func (m *mutator) value() ast.Expr {
	switch at := m.at.(type) {
	case *ast.IfStmt:
		return at.Cond
	case *ast.CaseClause:
		return at.List[0]
	case *ast.AssignStmt:
		return at.Rhs[0]
	case *ast.ReturnStmt:
		return at.Results[0]
	}
	panic(fmt.Sprintf("a %T has no value", m.at))
}

// call is the first call of a function or method of this name; nil if there is none.
func (m *mutator) call(name string) *ast.CallExpr {
	return find(m.at, func(c *ast.CallExpr) bool {
		switch f := c.Fun.(type) {
		case *ast.Ident:
			return f.Name == name
		case *ast.SelectorExpr:
			return f.Sel.Name == name
		}
		return false
	})
}

func (m *mutator) binary(op token.Token) *ast.BinaryExpr {
	return find(m.at, func(b *ast.BinaryExpr) bool { return b.Op == op })
}

// find is the first node of its type that is as wanted; nil if there is none.
func find[N interface {
	ast.Node
	comparable
}](in ast.Node, wanted func(N) bool) (found N) {
	var none N
	ast.Inspect(in, func(n ast.Node) bool {
		if n, ok := n.(N); ok && found == none && wanted(n) {
			found = n
		}
		return true
	})
	return found
}

func (m *mutator) parameters() (names []string) {
	for _, field := range m.inside.Type.Params.List {
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// edit replaces a part of a file.
type edit struct {
	from, to int
	text     string
}

// mutants are the edits of each mutant, by its name and the path of the file.
func mutants(t *testing.T) map[string]map[string][]edit {
	t.Helper()
	all := map[string]map[string][]edit{}
	for _, pattern := range []string{"*.go", "gcra/*.go", "table/*.go"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			if !strings.HasSuffix(path, "_test.go") {
				addMutants(t, all, path)
			}
		}
	}
	return all
}

func addMutants(t *testing.T, all map[string]map[string][]edit, path string) {
	t.Helper()
	source, err := os.ReadFile(path)
	require.NoError(t, err)
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, path, source, parser.ParseComments)
	require.NoError(t, err)
	copies := map[string]string{}
	for _, pass := range []bool{true, false} { // what is copied first
		for _, group := range parsed.Comments {
			for _, comment := range group.List {
				rest, ok := strings.CutPrefix(comment.Text, "//mutant:")
				if !ok {
					continue
				}
				words := strings.Fields(rest)
				require.Contains(t, operations, words[0], "%s: %s", path, rest)
				require.Greater(t, len(words), 1, "%s: %s", path, rest)
				m := &mutator{source: source, file: files.File(parsed.Pos())}
				m.at, m.inside = statementAt(parsed, m.file, m.file.Line(group.End())+1)
				require.NotNil(t, m.at, "%s: %s stands above no statement", path, rest)
				for _, name := range words[1:] {
					m.copied = copies[name]
					node, text := operations[words[0]](m)
					if pass {
						if words[0] == "copy" {
							copies[name] = text
						}
						continue
					}
					if all[name] == nil {
						all[name] = map[string][]edit{}
					}
					e := edit{m.file.Offset(node.Pos()), m.file.Offset(node.End()), text}
					all[name][path] = append(all[name][path], e)
				}
			}
		}
	}
}

// statementAt is the statement that begins in a line, and the function that it is in.
func statementAt(in *ast.File, file *token.File, line int) (at ast.Node, inside *ast.FuncDecl) {
	for _, d := range in.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		begins := func(s ast.Stmt) bool { return file.Line(s.Pos()) == line }
		if s := find(f, begins); s != nil {
			return s, f
		}
	}
	return nil, nil
}

// mutated is the file with these edits.
func mutated(t *testing.T, path string, edits []edit) string {
	t.Helper()
	source, err := os.ReadFile(path)
	require.NoError(t, err)
	slices.SortFunc(edits, func(a, b edit) int { return b.from - a.from })
	text := string(source)
	for _, e := range edits {
		text = text[:e.from] + e.text + text[e.to:]
	}
	require.NotEqual(t, string(source), text, path)
	return text
}

// names are all mutants that there should be, so that a lost comment is noticed.
var names = strings.Fields(`
	a-bucket-is-killed-by-a-store
	a-bucket-moves-again-after-a-taker-moved-it
	a-bucket-that-moved-is-not-written
	a-bucket-that-moves-is-clean
	a-bucket-that-moves-loses-its-marks
	a-clock-that-stepped-back-costs-what-was-earned
	a-dead-bucket-is-written
	a-full-bucket-is-killed-by-a-store
	a-late-taker-moves-a-bucket-before-its-page-moves
	a-cost-above-a-capacity-is-never-cut
	a-limit-is-raised-before-its-row-is-stored
	a-limit-is-restored-too-high
	a-lost-race-keeps-what-was-taken
	a-moved-bucket-is-spent-from
	a-new-limit-comes-to-a-bucket-that-takers-have
	a-new-limit-goes-in-doubt
	a-page-that-dirty-buckets-move-to-is-not-queued
	a-reaped-bucket-keeps-its-row
	a-row-of-a-bucket-that-starts-empty-is-deleted
	a-start-is-not-noted
	a-take-is-given-back-to-a-dead-bucket
	an-admin-write-gives-back-what-was-spent
	an-admin-write-leaves-what-was-spent-meanwhile-clean
	an-admin-write-reserves-nothing
	no-barrier-after-an-ambiguous-commit
	several-are-taken-although-one-refuses
	spending-from-several-is-not-marked
	spending-is-not-marked
	the-dirty-bit-is-cleared-after-the-read
	the-page-that-a-split-adds-is-not-locked
	what-a-crash-took-is-given-back-by-a-stop
	what-a-round-did-not-come-to-is-not-queued-again
	what-a-settled-write-left-is-not-for-the-last-round
	what-failed-is-not-dirty-again
	what-is-reserved-is-owed
	what-was-earned-since-is-given-back-too
	who-has-no-row-starts-full-after-a-crash
	who-has-no-row-starts-full-after-a-stop-that-follows-a-crash
`)

// Each mutant is there, and is Go.
func TestMutantsAreThere(t *testing.T) {
	var found []string
	for name, files := range mutants(t) {
		found = append(found, name)
		for path, edits := range files {
			text := mutated(t, path, edits)
			_, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
			require.NoError(t, err, "%s\n%s", name, numbered(text))
		}
	}
	require.ElementsMatch(t, names, found)
}

func numbered(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strconv.Itoa(i+1) + "\t" + lines[i]
	}
	return strings.Join(lines, "\n")
}
