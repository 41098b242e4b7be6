package mutanttest

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// operations return, for the statement under a comment, what is replaced, which is the statement or
// an expression in it, and what it is replaced with.
var operations = map[string]func(m *mutator) (ast.Node, string){
	// The statement isn't executed.
	"drop": func(m *mutator) (ast.Node, string) { return m.at, "" },
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
	// The value is 0 at least.
	"clamp": func(m *mutator) (ast.Node, string) { return m.value(), "max(0, " + m.text(m.value()) + ")" },
	// A number that is set to 0 is added to the Tokens beside it.
	"credit": func(m *mutator) (ast.Node, string) {
		number := m.at.(*ast.AssignStmt).Lhs[0].(*ast.SelectorExpr)
		tokens := m.text(number.X) + ".Tokens"
		return m.at, tokens + " += float64(" + m.text(number) + ")\n" + m.text(m.at)
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
	// Of "X + Y" X is the variable now.
	"now": func(m *mutator) (ast.Node, string) { return m.binary(token.ADD).X, "now" },
	// The value is the function's second parameter.
	"parameter1": func(m *mutator) (ast.Node, string) { return m.value(), m.parameters()[0] },
	// The value is the third argument of the call that makes it.
	"third": func(m *mutator) (ast.Node, string) { return m.value(), m.text(m.value().(*ast.CallExpr).Args[2]) },
	// The statement "copy" also comes before the statement "here".
	"here": func(m *mutator) (ast.Node, string) { return m.at, m.copied + "\n" + m.text(m.at) },
	"copy": func(m *mutator) (ast.Node, string) { return nil, m.text(m.at) },
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

// edit replaces a part of a file, in one mutant. kind is the type of the expression that it
// replaces; nil: it replaces a statement.
type edit struct {
	mutant   string
	from, to int
	text     string
	kind     types.Type
}

// edits returns those that the comments in a file ask for.
func (p *pkg) edits(f *source) (all []edit, err error) {
	copies := map[string]string{}
	for _, pass := range []bool{true, false} { // what is copied first
		for _, group := range f.parsed.Comments {
			for _, comment := range group.List {
				rest, ok := strings.CutPrefix(comment.Text, "//mutant:")
				if !ok {
					continue
				}
				words := strings.Fields(rest)
				operate, ok := operations[words[0]]
				m := &mutator{source: f.text, file: f.file}
				m.at, m.inside = statementAt(f.parsed, f.file, f.file.Line(group.End())+1)
				if !ok || len(words) < 2 || m.at == nil {
					return nil, fmt.Errorf("%s: %s: want an operation and a mutant's name, above a statement", f.path, comment.Text)
				}
				for _, name := range words[1:] {
					m.copied = copies[name]
					node, text := operate(m)
					switch {
					case node == nil && pass:
						copies[name] = text
					case node != nil && !pass:
						e := edit{name, f.file.Offset(node.Pos()), f.file.Offset(node.End()), text, nil}
						if x, ok := node.(ast.Expr); ok {
							e.kind = types.Default(p.info.TypeOf(x))
						}
						all = append(all, e)
					}
				}
			}
		}
	}
	return all, nil
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

// mutated returns a file in which chosenMutant says which edits hold.
func (p *pkg) mutated(f *source, edits []edit) string {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Or(a.from-b.from, b.to-a.to) })
	return p.part(f, 0, len(f.text), edits)
}

// part returns a part of a file, with the edits in it. They are in their order, an outer one before
// those within it.
func (p *pkg) part(f *source, from, to int, edits []edit) string {
	var out strings.Builder
	for len(edits) > 0 {
		e, rest := edits[0], edits[1:]
		within := 0
		for within < len(rest) && rest[within].from < e.to {
			within++
		}
		out.Write(f.text[from:e.from])
		out.WriteString(p.choice(e, p.part(f, e.from, e.to, rest[:within])))
		from, edits = e.to, rest[within:]
	}
	out.Write(f.text[from:to])
	return out.String()
}

// choice is what an edit leaves of a statement or expression: both, and a condition.
func (p *pkg) choice(e edit, was string) string {
	if e.kind == nil {
		return fmt.Sprintf("if chosenMutant == %q { %s } else { %s }", e.mutant, e.text, was)
	}
	kind := types.TypeString(e.kind, func(of *types.Package) string {
		if of == p.checked {
			return ""
		}
		return of.Name()
	})
	return fmt.Sprintf("func() %s { if chosenMutant == %q { return %s }; return %s }()", kind, e.mutant, e.text, was)
}
