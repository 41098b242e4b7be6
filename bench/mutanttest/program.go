// Package mutanttest breaks packages where comments in them say how, so that their simulations can
// show that they notice.
//
// A mutant is a program with one thing wrong in it, which its simulation must find. Comments in the
// source say where and how:
//
//	//mutant:OPERATION NAME...
//
// stands right above the statement that is changed. A statement may have several of them. The
// operations (mutant.go) don't name what they change, so that renaming breaks no mutant. A mutant
// whose name stands in several places makes all these changes at once.
//
// All mutants are in one program, and a variable of its environment chooses one when it starts:
// compiling a program for each took most of the tests' time.
package mutanttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// environment names the mutant in a program's environment.
const environment = "CHOSEN_MUTANT"

// Program is a test program that can be each of its mutants, or none.
type Program struct{ path string }

// pkg is a package in which there are mutants.
type pkg struct {
	dir     string
	files   []*source
	info    types.Info
	checked *types.Package
}

// source is a file of a package.
type source struct {
	path   string
	text   []byte
	file   *token.File
	parsed *ast.File
}

// Build compiles the tests of the package in the current folder, with the mutants in it and in
// other packages, and with flags of go test. It demands that the mutants have these names, so that
// a lost comment is noticed.
func Build(t *testing.T, names, packages []string, flags ...string) Program {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	put := func(path, text string) {
		replace[path] = filepath.Join(dir, fmt.Sprint(len(replace), "-", filepath.Base(path)))
		require.NoError(t, os.WriteFile(replace[path], []byte(text), 0o600))
	}
	found := map[string]bool{}
	for _, p := range load(t, packages, flags) {
		for _, f := range p.files {
			edits, err := p.edits(f)
			require.NoError(t, err)
			for _, e := range edits {
				found[e.mutant] = true
			}
			if len(edits) > 0 {
				put(f.path, p.mutated(f, edits))
			}
		}
		put(filepath.Join(p.dir, "chosen_mutant.go"), fmt.Sprintf(
			"package %s\nimport \"os\"\nvar chosenMutant = os.Getenv(%q)\n", p.checked.Name(), environment))
	}
	var all []string
	for name := range found {
		all = append(all, name)
	}
	require.ElementsMatch(t, names, all)

	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	overlay, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "mutants.test")
	require.NoError(t, os.WriteFile(overlay, text, 0o600))
	goes(t, append([]string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", program}, flags...)...)
	return Program{program}
}

// load reads and checks packages, whose mutants need the types of what they change.
func load(t *testing.T, packages, flags []string) (all []*pkg) {
	t.Helper()
	listed := goes(t, slices.Concat([]string{"list", "-deps", "-export", "-json=Dir,ImportPath,GoFiles,Export,DepOnly"}, flags, []string{"."}, packages)...)
	type listing struct {
		Dir, ImportPath, Export string
		GoFiles                 []string
		DepOnly                 bool
	}
	exports, wanted := map[string]string{}, []listing{}
	for in := json.NewDecoder(bytes.NewReader(listed)); in.More(); {
		var l listing
		require.NoError(t, in.Decode(&l))
		exports[l.ImportPath] = l.Export
		if !l.DepOnly {
			wanted = append(wanted, l)
		}
	}
	files := token.NewFileSet()
	imports := types.Config{Importer: importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	for _, l := range wanted {
		p := &pkg{dir: l.Dir, info: types.Info{Types: map[ast.Expr]types.TypeAndValue{}}}
		var parsed []*ast.File
		for _, name := range l.GoFiles {
			f := &source{path: filepath.Join(l.Dir, name)}
			var err error
			f.text, err = os.ReadFile(f.path)
			require.NoError(t, err)
			f.parsed, err = parser.ParseFile(files, f.path, f.text, parser.ParseComments)
			require.NoError(t, err)
			f.file = files.File(f.parsed.Pos())
			p.files, parsed = append(p.files, f), append(parsed, f.parsed)
		}
		var err error
		p.checked, err = imports.Check(l.ImportPath, files, parsed, &p.info)
		require.NoError(t, err)
		all = append(all, p)
	}
	return all
}

// goes runs the go command and returns what it writes to standard output.
func goes(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", args...)
	var why bytes.Buffer
	cmd.Stderr = &why
	out, err := cmd.Output()
	require.NoError(t, err, "%s%s", out, &why)
	return out
}

// Run runs a test of a mutant, with more of an environment, and returns its output. No name: the
// program as it is.
func (p Program) Run(mutant, test string, env ...string) (out string, err error) {
	run := exec.Command(p.path, "-test.run", "^"+test+"$", "-test.v")
	run.Env = append(append(os.Environ(), environment+"="+mutant), env...)
	text, err := run.CombinedOutput()
	return string(text), err
}
