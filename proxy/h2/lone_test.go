package h2

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// leading is a bed whose client has sent so many requests, one at a time, that the reader serves
// the next one itself. first is the first stream of the next ones.
func leading(t *testing.T, l Limits, test func(b *bed, first uint32)) {
	t.Helper()
	within(t, l, func(b *bed) { test(b, b.requests(1, leadAfter)) })
}

// requests sends so many requests, one at a time, and returns the next stream.
func (b *bed) requests(stream uint32, n int) (next uint32) {
	for range n {
		b.get(stream, "/")
		b.next()
		stream += 2
	}
	return stream
}

// led returns how many connections' readers serve a request.
func (b *bed) led() int {
	b.runner.mu.Lock()
	defer b.runner.mu.Unlock()
	return len(b.runner.leaders.all)
}

// heldUp is how long the connection doesn't read what send sends.
func heldUp(send func()) time.Duration {
	begin := time.Now()
	send() // It goes through a net.Pipe, and so waits for its reader.
	return time.Since(begin)
}

// The reader serves requests itself that come one at a time, without a body, once there were some.
func TestReaderLeads(t *testing.T) {
	within(t, limits(), func(b *bed) {
		stream := b.requests(1, leadAfter-1)
		b.get(stream, "/hold")
		b.next()
		assert.Zero(t, b.led())
		b.release <- struct{}{}
		b.expect("head 15 200", "data 15 held end")
		b.open(17, "/hold")
		b.next()
		assert.Zero(t, b.led(), "its body may come")
		assert.Zero(t, heldUp(func() { _ = b.WriteData(17, true, nil) }))
		b.release <- struct{}{}
		b.expect("head 17 200", "data 17 held end")
		b.get(19, "/hold")
		b.next()
		assert.Equal(t, 1, b.led())
		assert.EqualValues(t, 1, b.Stats().Running)
		b.release <- struct{}{}
		b.expect("head 19 200", "data 19 held end")
		assert.Zero(t, b.led())
		assert.Zero(t, b.Stats().Running)
		stream = b.requests(21, 100)
		time.Sleep(clientLimits.Idle / 2) // It goes on in another goroutine meanwhile.
		b.get(stream, "/hold")
		b.next()
		assert.Equal(t, 1, b.led())
		b.release <- struct{}{}
		b.next()
		assert.Zero(t, heldUp(func() { _ = b.WritePing(false, [8]byte{}) }))
	})
}

// While a request takes long that the reader serves, what comes next is held up only for a moment.
func TestReaderLeadsForAMomentOnly(t *testing.T) {
	for name, act := range map[string]func(b *bed, held uint32){
		"PING": func(b *bed, held uint32) {
			_ = b.WritePing(false, [8]byte([]byte("12345678")))
			b.expect("ping ack=true 12345678")
		},
		"RST_STREAM": func(b *bed, held uint32) {
			_ = b.WriteRSTStream(held, http2.ErrCodeCancel)
			b.expect()
			assert.Zero(b.t, b.Stats().Streams)
			assert.Zero(b.t, b.Stats().Running)
		},
		"another request": func(b *bed, held uint32) {
			b.get(held+2, "/")
			b.expect("head 19 200", "data 19 ok end")
			b.release <- struct{}{}
			b.expect("head 17 200", "data 17 held end")
		},
		"a fault": func(b *bed, held uint32) {
			_ = b.WriteWindowUpdate(held+20, 1)
			b.expect("goaway 17 PROTOCOL_ERROR", "end")
		},
		"an end": func(b *bed, held uint32) {
			_ = b.conn.Close()
			time.Sleep(2 * sweepEvery)
			b.expect("end")
			assert.Zero(b.t, b.Stats().Connections)
		},
	} {
		t.Run(name, func(t *testing.T) {
			leading(t, limits(), func(b *bed, held uint32) {
				b.get(held, "/hold")
				synctest.Wait()
				require.Equal(t, 1, b.led())
				assert.LessOrEqual(t, heldUp(func() { act(b, held) }), 3*sweepEvery)
				assert.Zero(t, b.led())
			})
		})
	}
}

// After a request that took long, the reader leads again only after many that came alone.
func TestReaderThatHasLedForLong(t *testing.T) {
	leading(t, limits(), func(b *bed, stream uint32) {
		b.get(stream, "/hold")
		b.next()
		time.Sleep(2 * sweepEvery)
		assert.Zero(t, b.led())
		for range leadAfter + leadsAgain - 1 {
			b.release <- struct{}{}
			b.next()
			stream += 2
			b.get(stream, "/hold")
			b.next()
			require.Zero(t, b.led())
		}
		b.release <- struct{}{}
		b.next()
		b.get(stream+2, "/hold")
		b.next()
		assert.Equal(t, 1, b.led())
	})
}

// A reader whose response wants more window than there is reads on at once.
func TestReaderThatLeadsAndLacksWindow(t *testing.T) {
	leading(t, limits(), func(b *bed, held uint32) {
		b.get(held, "/send/100000")
		synctest.Wait()
		assert.Zero(t, heldUp(func() {
			_ = b.WriteWindowUpdate(0, 100_000)
			_ = b.WriteWindowUpdate(held, 100_000)
		}))
		got := b.next()
		assert.Equal(t, map[int]int{int(held): 100_000}, sum(got))
		assert.Zero(t, b.led())
	})
}

// A request that others come right behind isn't served by the reader, and holds none of them up.
func TestRequestsThatComeTogether(t *testing.T) {
	frame := func(b *bed, stream uint32, path string) string {
		block := b.head("GET", path)
		text := appendHeader(nil, len(block), kindHeaders, flagEndHeaders|flagEndStream, stream)
		return string(append(text, block...))
	}
	for name, behind := range map[string]int{"all of it": 1000, "its header": headerSize, "a byte": 1} {
		t.Run(name, func(t *testing.T) {
			leading(t, limits(), func(b *bed, first uint32) {
				one, other := frame(b, first, "/hold"), frame(b, first+2, "/")
				behind = min(behind, len(other))
				assert.Zero(t, heldUp(func() {
					b.raw(one + other[:behind])
					b.raw(other[behind:])
				}))
				b.expect("head 19 200", "data 19 ok end")
				b.release <- struct{}{}
				b.expect("head 17 200", "data 17 held end")
			})
		})
	}
}

// Where as many requests run as may, those that come alone wait like all others.
func TestReaderMayNotLead(t *testing.T) {
	l := limits()
	l.MaxRunning = 1
	leading(t, l, func(b *bed, held uint32) {
		b.runner.mu.Lock()
		b.runner.running++
		b.runner.mu.Unlock()
		b.get(held, "/")
		b.expect()
		assert.Zero(t, heldUp(func() { _ = b.WritePing(false, [8]byte{}) }))
		b.runner.mu.Lock()
		b.runner.running--
		b.runner.mu.Unlock()
		b.runner.bound(1)
		b.expect("ping ack=true \x00\x00\x00\x00\x00\x00\x00\x00", "head 17 200", "data 17 ok end")
	})
}

// A stop finds a connection whose reader serves a request, and awaits that.
func TestStopWhileReaderLeads(t *testing.T) {
	leading(t, limits(), func(b *bed, held uint32) {
		b.get(held, "/hold")
		synctest.Wait()
		require.Equal(t, 1, b.led())
		closed := make(chan error, 1)
		go func() { closed <- b.clients.Close(context.Background(), time.Second/2) }()
		time.Sleep(2 * sweepEvery)
		b.expect("goaway 2147483647 NO_ERROR", "ping ack=false leaving.")
		_ = b.WritePing(true, leavePing)
		b.expect("goaway 17 NO_ERROR")
		require.NoError(t, <-closed)
		b.release <- struct{}{}
		b.expect("head 17 200", "data 17 held end", "end")
	})
}

// A connection that wants to end says so with the request that its reader serves.
func TestGracefulEndWhileReaderLeads(t *testing.T) {
	leading(t, limits(), func(b *bed, held uint32) {
		b.closes.Store(true)
		b.get(held, "/")
		b.expect("goaway 2147483647 NO_ERROR", "ping ack=false leaving.", "head 17 200", "data 17 ok end")
		_ = b.WritePing(true, leavePing)
		b.expect("goaway 17 NO_ERROR", "end")
	})
}
