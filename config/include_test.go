package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// folder makes a folder of files, which are given as names and texts in turn.
func folder(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(files[i+1]), 0o600))
	}
	return dir
}

// loadFolder loads main.toml of a folder.
func loadFolder(dir string, o Options) (Loaded, error) {
	return Load(filepath.Join(dir, "main.toml"), o)
}

// refusedFolder wants exactly these problems of main.toml. The folder is left out of them.
func refusedFolder(t *testing.T, dir string, o Options, want ...string) {
	t.Helper()
	_, err := loadFolder(dir, o)
	require.Error(t, err)
	require.Equal(t, want, strings.Split(strings.ReplaceAll(err.Error(), dir+"/", ""), "\n"))
}

func TestIncludedFilesAreOneConfiguration(t *testing.T) {
	dir := folder(t,
		"main.toml", "include = [\"conf.d/*.toml\", \"more.toml\", \"none/*.toml\"]\n"+
			"[pools.web]\nbackends = [\"http://a\"]\n[server]\nlisten = \":1\"\n[[routes]]\nname = \"one\"\npath_prefix = \"/1\"\npool = \"web\"\n",
		"conf.d/b.toml", "[pools.b]\nbackends = [\"http://b\"]\n[server]\nvia = \"edge\"\n",
		"conf.d/a.toml", "[[routes]]\nname = \"two\"\npool = \"b\"\nlimits = [\"l\"]\npath_prefix = \"/2\"\n[[routes]]\nname = \"three\"\npool = \"b\"\npath_prefix = \"/3\"\n",
		"conf.d/.swp.toml", "not TOML", "conf.d/a.txt", "not TOML",
		"more.toml", "[limits.l]\ncapacity = 7\n[[routes]]\nname = \"four\"\npool = \"web\"\n",
	)
	l, err := loadFolder(dir, Options{})
	require.NoError(t, err)
	require.Equal(t, ":1", l.Config.Server.Listen)
	require.Equal(t, "edge", l.Config.Server.Via)
	require.Len(t, l.Config.Pools, 2)
	require.EqualValues(t, 7, l.Config.Limits["l"].Capacity)
	var names []string
	for _, r := range l.Config.Routes {
		names = append(names, r.Name)
	}
	require.Equal(t, []string{"one", "two", "three", "four"}, names)
	var files []string
	for _, file := range l.Files {
		files = append(files, strings.TrimPrefix(file, dir+"/"))
	}
	require.Equal(t, []string{"main.toml", "conf.d", "none", "conf.d/a.toml", "conf.d/b.toml", "more.toml"}, files)

	// What is printed is one file.
	text := print(t, l)
	require.Contains(t, text, "\nname = \"three\" # "+dir+"/conf.d/a.toml:7\n")
	again, err := Parse("", []byte(text), Options{})
	require.NoError(t, err)
	require.Empty(t, Diff(l, again))
}

// TestFoldersOfPatternsAreKnown: whoever watches the files sees when one comes.
func TestFoldersOfPatternsAreKnown(t *testing.T) {
	dir := folder(t, "a[b]*/main.toml", "include = [\"x/*/z/*.toml\"]\n"+pool, "a[b]*/x/y1/z/a.toml", "[server]\nlisten = \":1\"\n", "a[b]*/x/y2/z/a.txt", "")
	dir = filepath.Join(dir, "a[b]*")
	l, err := loadFolder(dir, Options{})
	require.NoError(t, err)
	require.Equal(t, ":1", l.Config.Server.Listen)
	var files []string
	for _, file := range l.Files {
		files = append(files, strings.TrimPrefix(file, dir+"/"))
	}
	require.Equal(t, []string{"main.toml", "x/y1/z", "x/y2/z", "x/y1", "x/y2", "x", "x/y1/z/a.toml"}, files)
}

func TestAFileDoesNotIncludeItself(t *testing.T) {
	l, err := loadFolder(folder(t, "main.toml", "include = [\"*.toml\", \"./a.toml\"]\n"+pool, "a.toml", "[server]\nlisten = \":1\"\n"), Options{})
	require.NoError(t, err)
	require.Equal(t, ":1", l.Config.Server.Listen)
}

func TestEachKeyIsInOnePlace(t *testing.T) {
	dir := folder(t,
		"main.toml", "include = [\"a.toml\", \"b.toml\"]\n"+pool+"[server]\nlisten = \":1\"\n[limits.l]\n[[routes]]\nname = \"r\"\npath_prefix = \"/1\"\n",
		"a.toml", "[pools.default]\nstrategy = \"random\"\n\n[server]\nlisten = \":1\"\nvia = \"a\"\n",
		"b.toml", "limits.l.capacity = 5\nserver.via = \"b\"\nlog = 5\n[[routes]]\nname = \"r\"\npath_prefix = \"/2\"\n[store]\nlimits_kept = \"1s\"\n",
	)
	refusedFolder(t, dir, Options{},
		"a.toml:1: pools.default: it is in main.toml:2 already; want it in one place",
		"a.toml:5: server.listen: it is in main.toml:5 already; want it in one place",
		"b.toml:1: limits.l: it is in main.toml:6 already; want it in one place",
		"b.toml:2: server.via: it is in a.toml:6 already; want it in one place",
		"b.toml:3: log: an integer; want a table, [log]",
		"b.toml:4: routes[1]: has the name of routes[0] in main.toml:7, \"r\"; want another one",
		"b.toml:8: store.limits_kept: 1s is out of range; want 1m to 87600h, or 0s to keep them for ever",
	)
	dir = folder(t, "main.toml", "include = [\"a.toml\"]\nserver = 1\nlimits = []\nroutes = 1\n"+pool, "a.toml", "[server]\n[limits.l]\n[[routes]]\n")
	refusedFolder(t, dir, Options{},
		"main.toml:2: server: an integer; want a table, [server]",
		"main.toml:3: limits: an array; want tables with a name each, such as [limits.default]",
		"main.toml:4: routes: 1 is an integer; want an array of tables, [[routes]]",
		"a.toml:1: server: it is in main.toml:2 already; want it in one place",
		"a.toml:2: limits: it is in main.toml:3 already; want it in one place",
		"a.toml:3: routes: it is in main.toml:4 already; want it in one place",
	)
}

func TestMistakesOfIncludes(t *testing.T) {
	refusedFolder(t, folder(t, "main.toml", "include = [\"a.toml\", \"x/[.toml\", 5, \"\", \"dir\"]\n"+pool, "dir/a", ""), Options{},
		"main.toml:1: include[1]: \"x/[.toml\": it is no pattern; want one such as conf.d/*.toml",
		"main.toml:1: include[3]: \"\": it names no file; want one, or a pattern such as conf.d/*.toml",
		"a.toml: can't be read: no such file or directory",
		"dir: can't be read: it is no regular file; want one",
	)
	refusedFolder(t, folder(t, "main.toml", "include = [\"a.toml\", 5]\n"+pool, "a.toml", "include = [\"b.toml\"]\n[server]\nlisten = 5\n"), Options{},
		"main.toml:1: include[1]: 5 is an integer; want a string",
		"a.toml:1: include: this file is included, and can't include others; want them in main.toml",
		"a.toml:3: server.listen: 5 is an integer; want a string",
	)
	refusedFolder(t, folder(t, "main.toml", "include = \"a.toml\"\n"+pool), Options{},
		"main.toml:1: include: \"a.toml\" is a string; want an array, [...]")
	// A syntax error hides what is behind it, but not those of other files.
	refusedFolder(t, folder(t, "main.toml", "include = [\"a.toml\", \"b.toml\"]\n", "a.toml", "\n[x", "b.toml", "a = "), Options{},
		"a.toml:2: expected '.' or ']' to end table name, but got '\\x00' instead",
		"b.toml:1: unexpected EOF; expected value",
	)
}

// TestFilesAreKnownWithMistakes: whoever watches the files goes on after a mistake.
func TestFilesAreKnownWithMistakes(t *testing.T) {
	dir := folder(t, "main.toml", "include = [\"a.toml\"]\n[admin]\ntoken_file = \"/none/token\"\n[server]\nvia = \"${file:via}\"\n", "a.toml", "[x]\n")
	l, err := loadFolder(dir, Options{})
	require.Error(t, err)
	require.Equal(t, []string{dir + "/main.toml", dir + "/via", dir + "/a.toml", "/none/token"}, l.Files)
	l, err = Load(dir+"/none.toml", Options{})
	require.Error(t, err)
	require.Equal(t, []string{dir + "/none.toml"}, l.Files)
}

// Listeners, certificates and hosts may be in several files, as routes are, and each keeps its
// place.
func TestIncludedListenersAndCertificates(t *testing.T) {
	const one = "[[listeners]]\nlisten = \":1\"\ntls = true\n[[tls.certificates]]\ncert = \"1.pem\"\n[tls]\nmin_version = \"1.3\"\n"
	const two = "[[tls.certificates]]\ncert = \"2.pem\"\n[[tls.certificates]]\ncert = \"3.pem\"\n[[listeners]]\nlisten = \":2\"\n[[tls.hosts]]\nhost = \"a.test\"\n"
	dir := folder(t, "main.toml", "include = [\"*.toml\"]\n"+pool+one, "a.toml", two, "b.toml", "[[tls.hosts]]\nhost = \"b.test\"\n")
	l, err := Load(filepath.Join(dir, "main.toml"), Options{})
	require.NoError(t, err)
	require.Equal(t, []Certificate{{Cert: "1.pem"}, {Cert: "2.pem"}, {Cert: "3.pem"}}, l.Config.TLS.Certificates)
	require.Equal(t, "1.3", l.Config.TLS.MinVersion)
	require.Equal(t, []TLSHost{{Host: "a.test"}, {Host: "b.test"}}, l.Config.TLS.Hosts)
	require.Equal(t, ":2", l.Config.Listeners[1].Listen)
	require.Equal(t, Source{filepath.Join(dir, "a.toml"), 4}, l.Sources.Of("tls.certificates[2].cert"))
	require.Equal(t, Source{filepath.Join(dir, "b.toml"), 2}, l.Sources.Of("tls.hosts[1].host"))
}

// Nothing is lost without a word: a pattern that matches nothing is a warning, as where a folder
// has vanished, and a file that may be half-written is a mistake.
func TestIncludesThatBringNothing(t *testing.T) {
	dir := folder(t, "main.toml", "include = [\"conf.d/*.toml\", \"none/*/*.toml\", \"x/*.toml\"]\n"+pool, "conf.d/a.txt", "", "x/a.toml", "# nothing yet\n")
	l, err := loadFolder(dir, Options{})
	require.NoError(t, err)
	var warnings []string
	for _, w := range l.Warnings {
		warnings = append(warnings, strings.TrimPrefix(w.String(), dir+"/"))
	}
	require.Contains(t, warnings, "main.toml:1: include[0]: it matches no file, so nothing is included by it")
	require.Contains(t, warnings, "main.toml:1: include[1]: it matches no file, so nothing is included by it")
	require.NotContains(t, strings.Join(warnings, ""), "include[2]")

	const empty = ": it is empty, and may be half-written; want keys or a comment in it, or the file removed"
	refusedFolder(t, folder(t, "main.toml", "include = [\"*.d/*.toml\"]\n"+pool, "a.d/a.toml", "", "a.d/b.toml", "\n \t\r\n"), Options{},
		"a.d/a.toml"+empty, "a.d/b.toml"+empty)
}

// unreadable is the disk on which folders with a name can't be read.
type unreadable struct {
	realDisk
	name string
}

func (d unreadable) ReadDir(path string) ([]fs.DirEntry, error) {
	if filepath.Base(path) == d.name {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	return d.realDisk.ReadDir(path)
}

// A folder that can't be read looks empty to Glob.
func TestFoldersThatCanNotBeRead(t *testing.T) {
	f := func(pattern, name string) {
		t.Helper()
		dir := folder(t, "conf.d/web/a.toml", "[server]\nlisten = \":1\"\n")
		_, err := parse(dir+"/main.toml", []byte("include = [\""+pattern+"\"]\n"+pool), Options{}, unreadable{name: name})
		require.EqualError(t, err, dir+"/main.toml:1: include[0]: \""+pattern+"\": a folder that it looks into can't be read: permission denied")
	}
	f("conf.d/web/*.toml", "web")
	f("conf.d/*/*.toml", "conf.d")
	f("conf.d/*/*.toml", "web")
	f("conf.d/w*/*.toml", "web")
}
