package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
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

// outliveSignals ignores and logs, until ctx ends, the signals that would end the process though it
// has no use for them.
func outliveSignals(ctx context.Context, t terminal, log runLog) {
	signals := t.signals(unwantedSignals()...)
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			log.Warn().Stringer("signal", s).Msg("ignored a signal: SIGTERM stops the proxy, and only a restart reads its configuration again")
		}
	}
}
