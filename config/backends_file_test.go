package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
)

// filed is a document whose pool has a file of backends, with what else is in the pool.
func filed(file, more string) string {
	return fmt.Sprintf("[pools.web]\nbackends_file = %q\n%s", file, more)
}

func TestBackendsOfAFile(t *testing.T) {
	file := filepath.Join(folder(t, "b", "\ufeff# ours\n\nhttp://10.0.0.1:81\r\n  http://b.test \t weight=7 max_in_flight=50 backup # far away\n"+
		"unix:///run/a.sock state=drain backup=false\n#http://gone\n"), "b")
	l := loaded(t, filed(file, "backends = [\"http://a\"]\n"))
	far, socket := DefaultBackend("http://b.test"), DefaultBackend("unix:///run/a.sock")
	far.Weight, far.MaxInFlight, far.Backup = 7, 50, true
	socket.State = balancer.Drain
	require.Equal(t, []Backend{DefaultBackend("http://a"), DefaultBackend("http://10.0.0.1:81"), far, socket}, l.Config.Pools["web"].Backends)
	require.Equal(t, Source{file, 4}, l.Sources.Of("pools.web.backends[2].weight"))
	require.Equal(t, map[string]string{"web": file}, l.Config.BackendsFiles())
	require.NotContains(t, l.Files, file)

	// The file is named, so what is printed has its backends as comments.
	text := print(t, l)
	require.Contains(t, text, "\nbackends_file = \""+file+"\"\n")
	require.Contains(t, text, "\n[[pools.web.backends]]\nurl = \"http://a\"\n#weight = 1\n#max_in_flight = 0\n#backup = false\n#state = \"ready\"\n"+
		"\n#[[pools.web.backends]]\n#url = \"http://10.0.0.1:81\" # "+file+":3\n#weight = 1\n#max_in_flight = 0\n#backup = false\n#state = \"ready\"\n"+
		"\n#[[pools.web.backends]]\n#url = \"http://b.test\" # "+file+":4\n#weight = 7 # "+file+":4\n")
	loadsAsTheSame(t, l, Options{}, realDisk{})
	loadsAsTheSame(t, loaded(t, filed(file, "")), Options{}, realDisk{})
	view, err := json.Marshal(l.View())
	require.NoError(t, err)
	require.Contains(t, string(view), `"url":{"value":"http://10.0.0.1:81","from":"`+file+`:3"}`)
	require.Contains(t, string(view), `"backends_file":{"value":"`+file+`","from":"c.toml:2"}`)
}

// A file of backends may be that of an included pool, and be named by a reference, which is shown.
func TestBackendsOfAFileByAReference(t *testing.T) {
	dir := folder(t, "main.toml", "include = [\"pools/*.toml\"]\n", "pools/web.toml", filed("${DIR}/b", ""), "b", "http://a\nhttp://b\n", "bad", "http://a\n\nftp://b\n")
	o := Options{Getenv: env(map[string]string{"DIR": dir})}
	l, err := loadFolder(dir, o)
	require.NoError(t, err)
	require.Len(t, l.Config.Pools["web"].Backends, 2)
	require.Contains(t, print(t, l), "\n#url = \"http://b\" # ${DIR}/b:2\n")
	loadsAsTheSame(t, l, o, realDisk{})

	require.NoError(t, os.Rename(dir+"/bad", dir+"/b"))
	wrong := `${DIR}/b:3: pools.web.backends[1].url: "ftp://b": scheme "ftp" is not http, https or unix; want http://HOST:PORT, https://HOST:PORT or unix:///PATH`
	refusedFolder(t, dir, o, wrong)
	_, err = l.RereadBackends("web")
	require.EqualError(t, err, wrong)
	require.NoError(t, os.Remove(dir+"/b"))
	refusedFolder(t, dir, o, "pools/web.toml:2: pools.web.backends_file: ${DIR}/b: no such file or directory; want a file with a backend on each line")
}

func TestMistakesOfAFileOfBackends(t *testing.T) {
	f := func(text, more string, want ...string) {
		t.Helper()
		dir := folder(t, "b", text)
		_, err := Parse("c.toml", []byte(filed(dir+"/b", more)), Options{})
		require.Error(t, err)
		require.Equal(t, want, strings.Split(strings.ReplaceAll(err.Error(), dir+"/", ""), "\n"))
	}
	const ofFile = ": pools.web.backends_file: "
	f("", "", "b"+ofFile+"it is empty, and may be half-written; want a backend on each line")
	f(" \r\n\n", "", "b"+ofFile+"it is empty, and may be half-written; want a backend on each line")
	f("# nobody\n", "", "b"+ofFile+"there is no backend in it, and it may be half-written; want one on each line")
	f("http://a\nhttp://10.0.0.1:80", "", "b:2"+ofFile+"no line break ends the line, so the file may be half-written; want one")
	f("http://a\n\xff\n", "", "b"+ofFile+"it isn't UTF-8; want text in UTF-8")
	f("http://${HOST}\nhttp://b weight=2 weight=3\n", "backends = [\"http://a\"]\n",
		"b:1"+ofFile+`"${": references mean nothing in this file; want what it stands for`,
		"b:2"+ofFile+`"weight" is there twice; want it once`)
	f("http://a url=http://b\n", "", "b:1"+ofFile+`"url" is there twice; want it once`)
	f("10.0.0.1:80\nhttp://b weigth=2\nhttp://c weight=101\nhttp://d backup=yes state=up max_in_flight\nhttp://b max_in_flight=2000\n", "",
		`b:1: pools.web.backends[0].url: "10.0.0.1:80": no http:// in front; want http://HOST:PORT, https://HOST:PORT or unix:///PATH`,
		"b:2: pools.web.backends[1].weigth: unknown key; did you mean weight?",
		"b:3: pools.web.backends[2].weight: 101 is out of range; want 1 to 100",
		`b:4: pools.web.backends[3].backup: "yes" is a string; want true or false`,
		`b:4: pools.web.backends[3].max_in_flight: true is a boolean; want a whole number`,
		`b:4: pools.web.backends[3].state: unexpected state "up"; want ready, drain or maint`,
		`b:5: pools.web.backends[4].url: "http://b" is the address of pools.web.backends[1] too; want each once, with a weight for a larger share`,
		"b:5: pools.web.backends[4].max_in_flight: 2000 is more than the pool's max_connections, 1024; want at most that")
	f("http://A:80\nhttp://127.0.0.1:8000\n", "backends = [\"http://a\"]\n",
		`b:1: pools.web.backends[1].url: "http://A:80" is the address of pools.web.backends[0] too; want each once, with a weight for a larger share`,
		`b:2: pools.web.backends[2].url: "http://127.0.0.1:8000" is this proxy's own server.listen; want another address`)
	f("http://a backup\n", "", "b: pools.web.backends: all of them are backups; want one that isn't, or none that is")
	f("http://a\nunix:///a\n", "health.port = 81\n",
		`b:2: pools.web.backends[1].url: "unix:///a" is a unix socket, which has no port for health.port; want such backends in a pool of their own`)
	f("http://a\n", "backends = 5\n", "c.toml:3: pools.web.backends: 5 is an integer; want an array, [...]")
	var many bytes.Buffer
	for i := range maxListed + 1 {
		fmt.Fprintf(&many, "http://a:%d\n", i+1)
	}
	listed, problems := parseBackends(many.Bytes())
	require.Len(t, listed, maxListed+1)
	require.Equal(t, []Problem{{Text: "it has 10001 backends; want at most 10000"}}, problems)

	refused(t, filed("/none", ""), "c.toml:2: pools.web.backends_file: \"/none\": no such file or directory; want a file with a backend on each line")
	refused(t, "[pools.web]\nbackends_file = 5\n", "c.toml:2: pools.web.backends_file: 5 is an integer; want a string")
}

// What only backends by https use may stand beside a file, which may have one later.
func TestTLSBesideAFileOfBackends(t *testing.T) {
	file := filepath.Join(folder(t, "b", "http://a\n"), "b")
	accepted(t, filed(file, "tls.server_name = \"a.test\"\n"))
}

// A file is read again without anything else, and may have more or fewer backends. What set them is
// known.
func TestRereadBackends(t *testing.T) {
	dir := folder(t, "b", "http://b\nhttp://c weight=2\n", "main.toml", "")
	write := func(text string) { require.NoError(t, os.WriteFile(dir+"/b", []byte(text), 0o600)) }
	document := filed(dir+"/b", "backends = [\"http://${A}\"]\n[server]\nvia = \"edge\"\n[limits.default]\n")
	l, err := Parse("c.toml", []byte(document), Options{Getenv: env(map[string]string{"A": "named"})})
	require.NoError(t, err)
	same, err := l.RereadBackends("web")
	require.NoError(t, err)
	require.Equal(t, l, same)

	write("# moved\nhttp://b\nhttp://c weight=2\n")
	moved, err := l.RereadBackends("web")
	require.NoError(t, err)
	require.Empty(t, Diff(l, moved))
	require.Equal(t, Source{dir + "/b", 3}, moved.Sources.Of("pools.web.backends[2].weight"))
	require.Equal(t, Source{"c.toml", 5}, moved.Sources.Of("server.via"))

	write("http://c\nhttp://d\nhttp://e backup\n")
	more, err := moved.RereadBackends("web")
	require.NoError(t, err)
	require.Equal(t, []Difference{
		{`pools.web.backends["http://b"]`, Removed, `{ url = "http://b" }`, ""},
		{`pools.web.backends["http://c"].weight`, Changed, "2", "1"},
		{`pools.web.backends["http://d"]`, Added, "", `{ url = "http://d" }`},
		{`pools.web.backends["http://e"]`, Added, "", `{ url = "http://e", backup = true }`},
	}, Diff(l, more))
	require.Equal(t, Source{}, more.Sources.Of("pools.web.backends[1].weight"))
	require.Contains(t, print(t, more), "\nurl = \"http://${A}\"\n")
	require.Len(t, l.Config.Pools["web"].Backends, 3, "the former one is as it was")

	write("http://c\nhttp://${A}\n")
	bad, err := more.RereadBackends("web")
	require.EqualError(t, err, dir+"/b:2: pools.web.backends_file: \"${\": references mean nothing in this file; want what it stands for")
	require.Equal(t, more, bad)
	write("http://named\n")
	_, err = more.RereadBackends("web")
	require.EqualError(t, err, dir+"/b:1: pools.web.backends[1].url: \"http://${A}\" is the address of pools.web.backends[0] too; want each once, with a weight for a larger share")
	require.NoError(t, os.Remove(dir+"/b"))
	_, err = more.RereadBackends("web")
	require.EqualError(t, err, "c.toml:2: pools.web.backends_file: \""+dir+"/b\": no such file or directory; want a file with a backend on each line")

	write("http://z\n")
	fewer, err := more.RereadBackends("web")
	require.NoError(t, err)
	require.Len(t, fewer.Config.Pools["web"].Backends, 2)
	require.Equal(t, Source{}, fewer.Sources.Of("pools.web.backends[3].backup"))
}

// FuzzParseBackends: whatever the file is, reading it ends without a panic. A mistake has a line of
// the file. What is read is the same once it is written anew, and a file that is cut within a line
// is a mistake.
func FuzzParseBackends(f *testing.F) {
	for _, text := range []string{
		"http://a\n", "# x\n\nhttp://a weight=2 backup # y\r\n", "\ufeffhttp://a", "http://a\tstate=drain backup=false\n", "http://a = =x url=y\n", "${A}\n", "\xff\n", "http://a weight=007\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, problems := parseBackends(data)
		lines := 1 + bytes.Count(data, []byte("\n"))
		for _, p := range problems {
			require.True(t, 0 <= p.Line && p.Line <= lines)
			require.Contains(t, p.Text, "want ")
		}
		if len(problems) > 0 {
			return
		}
		require.NotEmpty(t, all)
		var again bytes.Buffer
		for _, b := range all {
			require.NotEmpty(t, b.keys["url"])
			fmt.Fprint(&again, b.keys["url"])
			for name, value := range b.keys {
				if name != "url" {
					fmt.Fprintf(&again, " %s=%v", name, value)
				}
			}
			again.WriteByte('\n')
		}
		reread, problems := parseBackends(again.Bytes())
		require.Empty(t, problems)
		require.Len(t, reread, len(all))
		for i := range all {
			require.Equal(t, all[i].keys, reread[i].keys)
		}
		last := bytes.TrimRight(data, " \t\r\n")
		_, problems = parseBackends(last)
		require.NotEmpty(t, problems)
	})
}
