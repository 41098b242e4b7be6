// Package mutanttest breaks packages where comments in them say how, so that their simulations can
// show that they notice.
package mutanttest

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Mutant is a package with one thing wrong in it, which its simulation must find. Comments in the
// source say where and how:
//
//	//mutant:OPERATION NAME...
//
// stands right above the statement that is changed. A statement may have several of them. The
// operations below don't name what they change, so that renaming breaks no mutant. A mutant whose
// name stands in several places makes all these changes at once.
//
// A Mutant has the edits by the path of the file. The nil one is the package as it is.
type Mutant map[string][]edit

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
	// Of "X && Y" only Y counts.
	"right": func(m *mutator) (ast.Node, string) {
		b := m.value().(*ast.BinaryExpr)
		return b, m.text(b.Y)
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
	// The value is the third argument of the call that makes it.
	"third": func(m *mutator) (ast.Node, string) { return m.value(), m.text(m.value().(*ast.CallExpr).Args[2]) },
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

// Find returns the mutants of the files that match patterns, by name.
func Find(t *testing.T, patterns ...string) map[string]Mutant {
	t.Helper()
	all := map[string]Mutant{}
	for _, pattern := range patterns {
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

func addMutants(t *testing.T, all map[string]Mutant, path string) {
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
						all[name] = Mutant{}
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

// Check demands that the mutants have these names, so that a lost comment is noticed, and that each
// is Go.
func Check(t *testing.T, all map[string]Mutant, names ...string) {
	t.Helper()
	var found []string
	for name, mutant := range all {
		found = append(found, name)
		for path, edits := range mutant {
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

// Build compiles the tests of the package in the current folder over a mutant of it, with flags of
// go test.
func Build(t *testing.T, m Mutant, flags ...string) (program string) {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	for path, edits := range m {
		from, err := filepath.Abs(path)
		require.NoError(t, err)
		replace[from] = filepath.Join(dir, filepath.Base(path))
		require.NoError(t, os.WriteFile(replace[from], []byte(mutated(t, path, edits)), 0o600))
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	overlay := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, text, 0o600))
	program = filepath.Join(dir, "simulation.test")
	args := append([]string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", program}, flags...)
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// Run runs a test of a program that Build made, with more of an environment, and returns its
// output.
func Run(program, test string, env ...string) (out string, err error) {
	run := exec.Command(program, "-test.run", "^"+test+"$", "-test.v")
	run.Env = append(os.Environ(), env...)
	text, err := run.CombinedOutput()
	return string(text), err
}
