package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func long(n int) string { return strings.Repeat("a", n) }

func TestGo(t *testing.T) {
	f := func(source string, want ...fault) {
		t.Helper()
		got, err := checkGo([]byte("package p\n\n" + source))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f("// " + long(97) + "\nvar x int\n")
	f("// "+long(98)+"\nvar x int\n", fault{3, "101 columns; want 100 at most"})
	f("func f() {\n\t// "+long(94)+"\n}\n", fault{4, "101 columns; want 100 at most"})
	f("// " + strings.Repeat("é", 97) + "\nvar x int\n")
	f("var x = 1 // " + long(100) + "\n")
	f("// https://" + long(100) + "\nvar x int\n")
	f("//\t" + long(100) + "\nvar x int\n")
	f("//go:generate " + long(100) + "\nvar x int\n")
	f("var x = `\n// " + long(100) + "\n`\n")

	f("// x says whether it is.\nvar x int\n", fault{3, `"says whether"; want "reports whether"`})
	f("// x says\n// whether it is.\nvar x int\n", fault{3, `"says whether"; want "reports whether"`})
	f("// x.\n// A, of which one.\nvar x int\n", fault{4, `"of which"; want a sentence of its own`})
	f("// All but for one.\nvar x int\n", fault{3, `"but for"; want "except"`})
	f("// Say whether it is.\nvar x int\n", fault{3, `"Say whether"; want "reports whether"`})
	f("// So many\n// that none.\nvar x int\n", fault{3, `"So many that"; want a number, or a sentence of its own`})
	f("// In the midst of it.\nvar x int\n", fault{3, `"In the midst"; want "during" or "amid"`})
	f("// It is re-sent, or a resend.\nvar x int\n", fault{3, `"re-sent"; want "retry"`}, fault{3, `"resend"; want "retry"`})
	f("// No fit backend.\nvar x int\n", fault{3, `"fit backend"; want "healthy"`})
	f("var x int // What came of it.\n", fault{3, `"What came of"; want "result" or "outcome"`})
	f("// x reports whether it is.\nvar x = \"says whether, of which\"\n")
}

func TestGoThatIsNone(t *testing.T) {
	_, err := checkGo([]byte("packag"))
	require.ErrorContains(t, err, "reading the comments: 1:1: expected 'package'")
}

func TestMarkdown(t *testing.T) {
	f := func(document string, want ...fault) {
		t.Helper()
		got, err := checkMarkdown([]byte(document))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f(long(100) + "\r\n" + long(100))
	f("a\n"+long(101)+"\n", fault{2, "101 columns; want 100 at most"})
	f("| " + long(100) + " |\n# " + long(100) + "\n[a](https://" + long(100) + ")\n")
	f("  ```sh\n"+long(101)+"\n  ```\n"+long(101), fault{4, "101 columns; want 100 at most"})
}

func TestTOML(t *testing.T) {
	got, err := checkTOML([]byte("# " + long(98) + "\n# " + long(99) + "\na = \"http://" + long(100) + "\"\n"))
	require.NoError(t, err)
	require.Equal(t, []fault{{2, "101 columns; want 100 at most"}}, got)
}

func TestFilesThatAreHeld(t *testing.T) {
	for _, name := range []string{"a/b.go", "README.md", "config/config.toml"} {
		require.NotNil(t, checkOf(name), name)
	}
	for _, name := range []string{"Makefile", "go.sum", "deploy/other.toml"} {
		require.Nil(t, checkOf(name), name)
	}
	lines, err := checkFile("bench/results/made-up/README.md")
	require.NoError(t, err, "an exempt file isn't read")
	require.Empty(t, lines)
}

func TestRun(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	var out bytes.Buffer
	require.ErrorContains(t, run(&out), "git ls-files")
	require.NoError(t, exec.Command("git", "init", "-q").Run())
	write("README.md", "fine\n")
	require.NoError(t, run(&out))
	require.Empty(t, out.String())

	write("README.md", "fine\n"+long(101)+"\n")
	write("a.go", "package a // All but for one.\n")
	require.EqualError(t, run(&out), "2 faults")
	require.Equal(t, "README.md:2: 101 columns; want 100 at most\na.go:1: \"but for\"; want \"except\"\n", out.String())

	write("a.go", "package a\n")
	write("README.md", "[a](a.go), [b](https://b/c.md), [c](#c) and\n[d](docs/d.md#e)\n# C\n")
	out.Reset()
	require.EqualError(t, run(&out), "1 faults")
	require.Equal(t, "README.md:2: a link to docs/d.md; want a file that exists\n", out.String())

	write("README.md", "fine\n")
	write("a.go", "packag")
	require.ErrorContains(t, run(&out), "a.go: reading the comments: 1:1")
}

func TestLinksToHeadings(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.MkdirAll("docs", 0o755))
	require.NoError(t, os.WriteFile("docs/a.md", []byte("# A title, with `code`\n\n```sh\n# no heading\n```\n#none\n"), 0o600))
	document := []byte("## Words\n[x](#words) [y](docs/a.md#a-title-with-code)\n[z](#no-words)\n" +
		"[x](docs/a.md#no-heading)\n[y](docs/a.md#none)\n[z](docs/b.md#words)\n[f](docs#words)\n")
	require.Equal(t, []fault{
		{3, "a link to #no-words; want a heading that exists"},
		{4, "a link to docs/a.md#no-heading; want a heading that exists"},
		{5, "a link to docs/a.md#none; want a heading that exists"},
		{6, "a link to docs/b.md; want a file that exists"},
	}, deadLinks("README.md", document))
}
