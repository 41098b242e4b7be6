package pgtest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// guard is a shell that cleans up if the tests end without doing so. It waits for the end of its
// input, which the kernel closes with the tests.
type guard struct {
	dir   string
	input io.Closer
	cmd   *exec.Cmd
}

// guardScript gets the cluster's folder. It continues frozen processes, ends the server at once,
// and removes the folder. After an orderly end there is no folder any more.
const guardScript = `
read -r _
cd "$1" || exit 0
[ -f frozen ] && kill -CONT $(cat frozen)
pid=$(head -n 1 data/postmaster.pid) && kill -QUIT "$pid" &&
	while [ -f data/postmaster.pid ] && kill -0 "$pid"; do sleep 0.1; done
cd / && rm -rf "$1"
`

func watch(dir string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "pgtest", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C must not end the guard
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &guard{dir: dir, input: input, cmd: cmd}, nil
}

// noteFrozen tells the guard which processes are frozen.
func (g *guard) noteFrozen(pids []int) error {
	text := strings.Trim(fmt.Sprint(pids), "[]")
	return os.WriteFile(filepath.Join(g.dir, "frozen"), []byte(text), 0o600)
}

// dismiss ends the guard, after the cluster was cleaned up.
func (g *guard) dismiss() {
	_ = g.input.Close()
	_ = g.cmd.Wait()
}
