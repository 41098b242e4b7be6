package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"gopher-equalizer/config"
)

// catchSignals sends signals to a channel that would end the process otherwise.
func catchSignals(wanted ...os.Signal) <-chan os.Signal {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, wanted...)
	return signals
}

// watchSignals ends the returned context at the first signal to stop, and the process at the
// second.
func watchSignals(parent context.Context, t terminal) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	done := make(chan struct{})
	signals := t.signals(os.Interrupt, syscall.SIGTERM)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-signals:
			}
			cancel()
			if n > 0 {
				t.kill(exitInterrupted)
			}
		}
	}()
	return ctx, func() { close(done); cancel() }
}

// outliveSignals takes, until ctx ends, the signals that would end the process. That to open the
// log anew does so, if it is a file. The others are ignored and logged.
func (p *process) outliveSignals(ctx context.Context, t terminal) {
	caught := userSignals()
	if len(caught) == 0 {
		return
	}
	signals := t.signals(caught...)
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			if isReopening(s) && p.reopenLog() {
				continue
			}
			p.log.Warn().Stringer("signal", s).Msg("ignored a signal: SIGTERM stops the proxy, and SIGHUP has it read its configuration again")
		}
	}
}

// reopenLog opens the log's output anew, and reports false if that is standard error. A reload that
// changes the output is before it or behind it.
func (p *process) reopenLog() bool {
	p.changing.Lock()
	defer p.changing.Unlock()
	now := p.current.Load()
	if now == nil || now.Config.Log.Output == config.LogStderr {
		return false
	}
	p.log.reopen(now.Config.Log)
	return true
}
