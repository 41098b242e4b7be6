//go:build linux

// Command livepage has Chromium look at the live page of the demo, and writes what it sees as
// pictures. The package's slow tests have it use the page as people do.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/program"
	"gopher-equalizer/bench/lab/testbed"
)

const usage = `livepage runs the demo with traffic, opens its live page in Chromium, and writes what it
looks like: wide and narrow, light and dark.

  --out FOLDER    where to write the pictures (default bench/out/livepage)
  --docs          write docs/page.png, the one of the README, instead
  --after D       how long the page is open before (default 60s); then they wait until
                  a backend is down, as one of the demo's is in every minute
`

// settings are those of a run.
type settings struct {
	out   string
	docs  bool
	after time.Duration
}

func main() {
	program.Program[settings]{Name: "livepage", Usage: usage, Parse: parse, Do: shootAll}.Main()
}

func parse(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("livepage", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&s.out, "out", "bench/out/livepage", "")
	flags.BoolVar(&s.docs, "docs", false, "")
	flags.DurationVar(&s.after, "after", time.Minute, "")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return s, nil
}

// looks are those of the pictures. The first one is the README's.
func looks() []look {
	return []look{
		{"wide-light", 1280, 860, false},
		{"wide-dark", 1280, 860, true},
		{"narrow-light", 400, 860, false},
		{"narrow-dark", 400, 860, true},
	}
}

// shootAll takes the pictures.
func shootAll(ctx context.Context, s settings, stderr io.Writer) error {
	bed, err := testbed.Open("livepage")
	if err != nil {
		return err
	}
	defer bed.Close()
	if err := bed.Build(ctx, testbed.Equalizer); err != nil {
		return err
	}
	demo, err := startDemo(ctx, bed)
	if err != nil {
		return err
	}
	b, end, err := openBrowser(ctx)
	if err != nil {
		return err
	}
	defer end()
	return b.pictures(demo.page, s, stderr)
}

// pictures writes what a page looks like, in each look that is wanted.
func (b *browser) pictures(url string, s settings, stderr io.Writer) error {
	folder, wanted := s.out, looks()
	if s.docs {
		folder, wanted = "docs", []look{{"page", wanted[0].width, wanted[0].height, false}}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var tabs []*tab
	for _, l := range wanted {
		t, end, err := b.open(url, l)
		if err != nil {
			return err
		}
		defer end()
		tabs = append(tabs, t)
	}
	fmt.Fprintf(stderr, "taking pictures of %s in some %v, for %s\n", url, s.after, folder)
	select {
	case <-b.ctx.Done():
		return context.Cause(b.ctx)
	case <-time.After(s.after):
	}
	for i, t := range tabs {
		if err := t.picture(wanted[i], filepath.Join(folder, wanted[i].name+".png")); err != nil {
			return fmt.Errorf("%s: %w", url, err)
		}
	}
	return nil
}

// picture writes what a page looks like while a backend is down and a client limited.
func (t *tab) picture(l look, file string) error {
	const wrong = `/down.* limited/.test(document.querySelector("#faults-title").textContent)`
	if err := t.await(wrong, 2*time.Minute); err != nil {
		return err
	}
	png, err := t.shoot(l.isPhone())
	if err != nil {
		return err
	}
	if faults := t.complaints(); len(faults) > 0 {
		return fmt.Errorf("the page complains: %q", faults)
	}
	return os.WriteFile(file, png, 0o644)
}

// demo is a demo that runs.
type demo struct {
	process *child.Process
	page    string
}

var pageLine = regexp.MustCompile(`live page +(\S+)`)

func startDemo(ctx context.Context, bed *testbed.Bed) (demo, error) {
	p, err := bed.Start(child.Program{
		Path: bed.Program(testbed.Equalizer),
		Args: []string{"demo", "--traffic", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", "memory"},
	})
	if err != nil {
		return demo{}, err
	}
	d := demo{process: p}
	err = p.Await(ctx, func() error {
		text, err := p.Output()
		if err != nil {
			return err
		}
		found := pageLine.FindStringSubmatch(text)
		if found == nil {
			return fmt.Errorf("it hasn't said where its page is")
		}
		d.page = found[1]
		return nil
	})
	if err != nil {
		p.Stop()
	}
	return d, err
}
