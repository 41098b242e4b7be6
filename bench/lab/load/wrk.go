//go:build linux

package load

import (
	"bytes"
	"context"
	_ "embed" // the script
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed wrk.lua
var script string

// Wrk is wrk, with our script.
type Wrk struct{ program, script string }

// FindWrk looks for wrk on the machine, and puts its script into a folder.
func FindWrk(dir string) (*Wrk, error) {
	program, err := exec.LookPath("wrk")
	if err != nil {
		return nil, errors.New("wrk is not installed: no closed loop")
	}
	var quantiles []string
	for _, q := range Quantiles() {
		quantiles = append(quantiles, strconv.FormatFloat(q, 'f', -1, 64))
	}
	text := strings.Replace(script, "QUANTILES", strings.Join(quantiles, " "), 1)
	w := &Wrk{program: program, script: filepath.Join(dir, "wrk.lua")}
	return w, os.WriteFile(w.script, []byte(text), 0o600)
}

// Version is wrk's own name for itself.
func (w *Wrk) Version(ctx context.Context) string {
	out, _ := exec.CommandContext(ctx, w.program, "-v").CombinedOutput() // it exits with 1
	name, _, _ := bytes.Cut(out, []byte(" Copyright"))
	return string(name)
}

// Command is wrk's command line for an order, as reports show it.
func (w *Wrk) Command(o Order) []string {
	// wrk takes whole seconds. It is interrupted earlier, so this is only a bound.
	bound := strconv.Itoa(int(o.Time/time.Second)+2) + "s"
	args := []string{"wrk", "-t1", "-c" + strconv.Itoa(o.Connections), "-d" + bound, "--timeout", "5s", "-s", filepath.Base(w.script)}
	if o.New {
		args = append(args, "-H", "Connection: close")
	}
	if o.Key == OneKey {
		args = append(args, "-H", KeyHeader+": client-1")
	}
	args = append(args, o.url())
	if o.Key == RandomKeys {
		args = append(args, "--", "random", KeyHeader, strconv.Itoa(Keys), strconv.Itoa(int(o.Seed)))
	}
	return args
}

// Run keeps o.Connections busy for o.Time. wrk checks every 100 ms whether to stop. The actual time
// is in the outcome.
func (w *Wrk) Run(ctx context.Context, o Order) (Outcome, error) {
	ctx, interrupt := context.WithCancel(ctx)
	defer interrupt()
	cmd := exec.CommandContext(ctx, w.program, w.Command(o)[1:]...)
	cmd.Dir = filepath.Dir(w.script)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it sums up, and exits
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	errs := &begun{then: func() { time.AfterFunc(o.Time, interrupt) }}
	cmd.Stdout, cmd.Stderr = &out, errs
	err := cmd.Run()
	if i := bytes.LastIndexByte(out.Bytes(), '{'); i >= 0 {
		return decode(out.Bytes()[i:], o)
	}
	said := bytes.TrimSpace(append(out.Bytes(), errs.text.Bytes()...))
	return Outcome{}, fmt.Errorf("wrk: %w: %s", errors.Join(err, ctx.Err()), said[bytes.LastIndexByte(said, '\n')+1:])
}

// begun takes wrk's standard error, on which the script reports its begin. An interrupt before that
// would end wrk without a sum.
type begun struct {
	text bytes.Buffer
	then func() // called once, when it begins
}

func (b *begun) Write(p []byte) (int, error) {
	n, err := b.text.Write(p)
	if b.then != nil && bytes.Contains(b.text.Bytes(), []byte("begin\n")) {
		b.then()
		b.then = nil
	}
	return n, err
}

// decode reads the script's line.
func decode(line []byte, o Order) (Outcome, error) {
	var said struct {
		Requests, Micros, Status, Connect, Read, Write, Timeout int64
		Latency                                                 []float64
	}
	if err := json.Unmarshal(line, &said); err != nil {
		return Outcome{}, fmt.Errorf("wrk's summary: %w", err)
	}
	for i := range said.Latency {
		said.Latency[i] /= 1000
	}
	return Outcome{
		Answered: said.Requests, Refused: said.Status, Broken: said.Connect + said.Read + said.Write + said.Timeout,
		Open: int64(o.Connections), Elapsed: time.Duration(said.Micros) * time.Microsecond, Latency: said.Latency,
	}, nil
}
