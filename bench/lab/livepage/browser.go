//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browsers are the programs that can be driven, as distributions name them.
func browsers() []string {
	return []string{"chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"}
}

// browser is a Chromium that shows nothing on the screen.
type browser struct{ ctx context.Context }

// openBrowser starts one. The caller must call end.
func openBrowser(ctx context.Context) (b *browser, end context.CancelFunc, err error) {
	path := ""
	for _, name := range browsers() {
		if path, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if path == "" {
		return nil, nil, fmt.Errorf("there is no browser; want one of %q", browsers())
	}
	// Without its sandbox, which root can't have. It opens our own page alone.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("disable-gpu", true), chromedp.Flag("hide-scrollbars", true))
	ctx, cancel := chromedp.NewExecAllocator(ctx, options...)
	ctx, _ = chromedp.NewContext(ctx)
	end = func() {
		_ = chromedp.Cancel(ctx) // It waits until the browser has ended.
		cancel()
	}
	if err := chromedp.Do(ctx); err != nil {
		end()
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return &browser{ctx}, end, nil
}

// look is how a tab shows a page.
type look struct {
	name          string
	width, height int64
	dark          bool
}

// isPhone reports whether it is that of a phone, which has a finer screen.
func (l look) isPhone() bool { return l.width < 600 }

// tab is a tab of the browser, and what its page complains about.
type tab struct {
	ctx context.Context

	mu     sync.Mutex
	faults []string
}

// open opens a page in a tab of its own. The caller must call end.
func (b *browser) open(url string, l look) (t *tab, end context.CancelFunc, err error) {
	ctx, end := chromedp.NewContext(b.ctx)
	t = &tab{ctx: ctx}
	if err := t.begin(url, l); err != nil {
		end()
		return nil, nil, fmt.Errorf("opening %s: %w", url, err)
	}
	return t, end, nil
}

func (t *tab) begin(url string, l look) error {
	if err := chromedp.Listen(t.ctx, t.note); err != nil {
		return err
	}
	screen := emulation.SetDeviceMetricsOverrideParams{Width: l.width, Height: l.height, DeviceScaleFactor: 1}
	if l.isPhone() {
		screen.DeviceScaleFactor, screen.Mobile = 2, true
	}
	scheme := &emulation.MediaFeature{Name: "prefers-color-scheme", Value: "light"}
	if l.dark {
		scheme.Value = "dark"
	}
	return t.do(
		sends(log.Enable, cdp.Empty{}), sends(emulation.SetDeviceMetricsOverride, screen),
		sends(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{scheme}}),
		chromedp.Navigate(url))
}

// sends is the action of a command whose result doesn't matter.
func sends[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

func (t *tab) do(actions ...chromedp.Action[chromedp.Void]) error {
	return chromedp.Do(t.ctx, actions...)
}

// await waits until an expression is true; where it throws it isn't. The page itself can't look, as
// its policy forbids it to evaluate text. An error says what the page shows instead.
func (t *tab) await(expression string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	looking := "(() => { try { return Boolean(" + expression + ") } catch { return false } })()"
	for {
		ok, err := evaluate[bool](ctx, looking)
		if ok {
			return nil
		}
		if err == nil {
			err = chromedp.Do(ctx, chromedp.Sleep(20*time.Millisecond))
		}
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s isn't so: %w; %s", expression, ctx.Err(), t.describe())
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("%s isn't so: %w", expression, err)
		}
	}
}

// evaluate evaluates an expression in the page. While a page loads the browser may never reply.
func evaluate[T any](ctx context.Context, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression))
}

// describe says what the page shows.
func (t *tab) describe() string {
	const shown = "`${location} is ${document.readyState}: ${document.body?.innerText.slice(0, 200)}`"
	text, err := evaluate[string](t.ctx, shown)
	if err != nil {
		return fmt.Sprintf("what the page shows can't be told: %v", err)
	}
	return text
}

// note keeps what the page complains about: exceptions, errors on its console, and what its policy
// forbids, which is a line of the log.
func (t *tab) note(event any) {
	var fault string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			fault += ": " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type != "error" && e.Type != "warning" {
			return
		}
		for _, arg := range e.Args {
			fault += string(arg.Value) + arg.Description
		}
	case *log.EventEntryAdded:
		if e.Entry.Level != "error" && e.Entry.Level != "warning" {
			return
		}
		fault = fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
	default:
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, fault)
}

// complaints are all since the last call.
func (t *tab) complaints() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	faults := t.faults
	t.faults = nil
	return faults
}

// shoot is the window as a PNG, or the whole page.
func (t *tab) shoot(whole bool) ([]byte, error) {
	if whole {
		return chromedp.Run(t.ctx, chromedp.FullScreenshot(100))
	}
	shot, err := chromedp.Call(t.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	return shot.Data, err
}
