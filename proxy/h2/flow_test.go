package h2

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// sum is how many bytes of data are in frames, by stream.
func sum(frames []string) map[int]int {
	all := map[int]int{}
	for _, f := range frames {
		var stream, n int
		if _, err := fmt.Sscanf(f, "data %d %d bytes", &stream, &n); err == nil {
			all[stream] += n
		}
	}
	return all
}

// A response goes as far as the windows of its stream and of its connection allow, also when
// SETTINGS make them larger, or smaller than nothing.
func TestWindows(t *testing.T) {
	within(t, limits(), func(b *bed) {
		_ = b.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
		b.get(1, "/send/100000")
		assert.Equal(t, map[int]int{1: 1000}, sum(b.next()))
		_ = b.WriteWindowUpdate(1, 500)
		assert.Equal(t, map[int]int{1: 500}, sum(b.next()))
		_ = b.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100}) // It is -900.
		_ = b.WriteWindowUpdate(1, 900)
		assert.Empty(t, sum(b.next()))
		_ = b.WriteWindowUpdate(1, 50)
		assert.Equal(t, map[int]int{1: 50}, sum(b.next()))
		_ = b.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 200})
		assert.Equal(t, map[int]int{1: 100}, sum(b.next()))
		_ = b.WriteWindowUpdate(1, maxWindow-200)
		assert.Equal(t, map[int]int{1: firstWindow - 1650}, sum(b.next()), "as much as the connection's allows")
		b.get(3, "/")
		b.expect("head 3 200")
		_ = b.WriteWindowUpdate(0, maxWindow)
		got := b.next()
		assert.Equal(t, map[int]int{1: 100000 - firstWindow}, sum(got))
		assert.Contains(t, got, "data 3 ok end")
		assert.True(t, strings.HasSuffix(got[len(got)-1], "end"))
	})
}

// The end of a body needs no window.
func TestEndWithoutWindow(t *testing.T) {
	within(t, limits(), func(b *bed) {
		_ = b.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		b.open(1, "/echo")
		b.expect("settings ack=true", "head 1 200")
		_ = b.WriteData(1, true, nil)
		b.expect("data 1  end")
	})
}

// A client may send on as soon as half of what it may send was read, and padding counts.
func TestWindowUpdates(t *testing.T) {
	within(t, limits(), func(b *bed) {
		b.open(1, "/hold")
		for range 3 {
			_ = b.WriteData(1, false, make([]byte, maxFrame))
		}
		b.expect()
		b.open(3, "/upload")
		for range 2 {
			_ = b.WriteDataPadded(3, false, make([]byte, maxFrame-256), make([]byte, 255))
		}
		b.expect("window 3 +32768")
		_ = b.WriteRSTStream(1, http2.ErrCodeCancel)
		b.expect("window 0 +81920")
		for range 10 {
			_ = b.WriteData(3, false, make([]byte, maxFrame))
			synctest.Wait()
		}
		_ = b.WriteData(3, true, nil)
		got := b.next()
		assert.Equal(t, fmt.Sprintf("data 3 %d <nil> end", 2*(maxFrame-256)+10*maxFrame), got[len(got)-1])
	})
}

// What comes for streams that take nothing any more doesn't use up the connection's window.
func TestDroppedDataReturnTheirWindow(t *testing.T) {
	within(t, limits(), func(b *bed) {
		b.open(1, "/") // It responds without reading the body.
		b.expect("head 1 200", "data 1 ok end")
		total := 0
		for i := range 20 {
			if i == limits().StreamWindow/maxFrame { // It may send no more before the reset.
				time.Sleep(3 * remnantGrace)
				b.expect("reset 1 NO_ERROR")
			}
			_ = b.WriteData(1, false, make([]byte, maxFrame))
			for _, f := range b.next() {
				var n int
				_, err := fmt.Sscanf(f, "window 0 +%d", &n)
				require.NoError(t, err, f)
				total += n
			}
		}
		assert.Equal(t, 20*maxFrame, total)
	})
}

// A response that ends before the request's body leaves the client a moment to notice, in which it
// may send on as far as its window goes, end the stream, or reset it. The stream counts as open
// until then.
func TestResponseBeforeTheBody(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(b *bed)
		want []string
	}{
		"it ends the body":             {func(b *bed) { _ = b.WriteData(1, true, []byte("rest")) }, nil},
		"it ends it by trailers":       {func(b *bed) { b.trailers(1, true) }, nil},
		"its trailers end nothing":     {func(b *bed) { b.trailers(1, false) }, []string{"reset 1 PROTOCOL_ERROR"}},
		"it resets the stream":         {func(b *bed) { _ = b.WriteRSTStream(1, http2.ErrCodeNo) }, nil},
		"it gives the response window": {func(b *bed) { _ = b.WriteWindowUpdate(1, 100) }, []string{"reset 1 NO_ERROR"}},
		"it does nothing":              {func(*bed) {}, []string{"reset 1 NO_ERROR"}},
		"it uses its window up": {func(b *bed) {
			for range 4 {
				_ = b.WriteData(1, false, make([]byte, maxFrame))
			}
		}, []string{"window 0 +65536", "reset 1 NO_ERROR"}},
		"it sends more": {func(b *bed) {
			for range 4 {
				_ = b.WriteData(1, false, make([]byte, maxFrame))
			}
			_ = b.WriteData(1, false, []byte("x"))
		}, []string{"window 0 +65536", "reset 1 FLOW_CONTROL_ERROR"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := limits()
			l.MaxStreams = 1
			within(t, l, func(b *bed) {
				b.open(1, "/")
				b.expect("head 1 200", "data 1 ok end")
				b.get(3, "/")
				b.expect("reset 3 REFUSED_STREAM")
				c.act(b)
				synctest.Wait()
				time.Sleep(3 * remnantGrace)
				b.expect(c.want...)
				b.get(5, "/")
				b.expect("head 5 200", "data 5 ok end")
			})
		})
	}
}

// A client that has got a part of the response may give up the rest of the body, whatever its head
// said. Before that it is a fault.
func TestBodyGivenUp(t *testing.T) {
	within(t, limits(), func(b *bed) {
		_ = b.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
		b.open(1, "/send/30", "content-length", "100")
		b.open(3, "/upload", "content-length", "100")
		b.open(5, "/echo", "content-length", "100")
		b.next()
		for _, stream := range []uint32{1, 3, 5} {
			_ = b.WriteData(stream, true, []byte("some"))
		}
		got := b.next()
		slices.Sort(got)
		assert.Equal(t, []string{"data 5 some", "reset 3 PROTOCOL_ERROR", "reset 5 INTERNAL_ERROR"}, got)
		_ = b.WriteWindowUpdate(1, 20)
		got = b.next()
		assert.Equal(t, map[int]int{1: 20}, sum(got))
		assert.True(t, strings.HasSuffix(got[len(got)-1], " end"))
	})
}

// The end of a connection resets what is left.
func TestEndBeforeTheBody(t *testing.T) {
	within(t, limits(), func(b *bed) {
		b.closes.Store(true)
		b.open(1, "/")
		b.expect("goaway 2147483647 NO_ERROR", "ping ack=false leaving.", "head 1 200", "data 1 ok end")
		_ = b.WritePing(true, leavePing)
		b.expect("goaway 1 NO_ERROR", "reset 1 NO_ERROR", "end")
	})
}

// A window that stays shut, or opens by next to nothing, ends the stream. Others go on.
func TestStalledWindows(t *testing.T) {
	for _, drip := range []bool{false, true} {
		within(t, limits(), func(b *bed) {
			_ = b.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
			b.get(1, "/send/100000")
			b.next()
			begin := time.Now()
			for range 100 {
				if drip {
					_ = b.WriteWindowUpdate(1, 1)
				}
				time.Sleep(time.Second)
				if len(b.faults()) > 0 {
					break
				}
			}
			assert.InDelta(t, clientLimits.Write.Seconds(), time.Since(begin).Seconds(), 2)
			assert.Equal(t, []string{"timed out"}, b.faults())
			got := b.next()
			assert.Equal(t, "reset 1 CANCEL", got[len(got)-1])
			b.get(3, "/")
			b.expect("head 3 200", "data 3 ok end")
		})
	}
}

// A client that takes a response too slowly is held to the least rate.
func TestSlowWindows(t *testing.T) {
	within(t, limits(), func(b *bed) {
		_ = b.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
		b.get(1, "/send/1000000")
		for range 1000 {
			_ = b.WriteWindowUpdate(1, 100)
			time.Sleep(time.Second)
			if len(b.faults()) > 0 {
				break
			}
		}
		assert.Len(t, b.faults(), 1)
		got := b.next()
		assert.Equal(t, "reset 1 CANCEL", got[len(got)-1])
	})
}

// A body that doesn't come ends its stream.
func TestStalledBody(t *testing.T) {
	within(t, limits(), func(b *bed) {
		b.open(1, "/upload")
		_ = b.WriteData(1, false, []byte("some"))
		b.expect()
		time.Sleep(clientLimits.Read + time.Second)
		b.expect("head 1 200", "data 1 4 timed out end")
		time.Sleep(3 * remnantGrace)
		b.expect("reset 1 NO_ERROR")
	})
	within(t, limits(), func(b *bed) {
		b.open(1, "/upload")
		for range 60 {
			_ = b.WriteData(1, false, []byte("some"))
			time.Sleep(time.Second)
		}
		got := b.next()
		assert.Contains(t, got[1], "slower than min_rate", "%q", got)
	})
}

// The most urgent response goes first, and incremental ones share what there is.
func TestPriorities(t *testing.T) {
	within(t, limits(), func(b *bed) {
		_ = b.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		b.get(1, "/send/65535") // It uses the connection's window up.
		b.next()
		b.get(3, "/send/30000", "priority", "u=5")
		b.get(5, "/send/30000", "priority", "u=1, i")
		b.get(7, "/send/30000", "priority", "u=1, i")
		b.get(9, "/send/30000", "priority", "u=0")
		b.next()
		_ = b.WriteRawFrame(0x10, 0, 0, []byte("\x00\x00\x00\x03u=0"))
		var order []int
		for range 12 {
			_ = b.WriteWindowUpdate(0, 10000)
			for stream := range sum(b.next()) {
				order = append(order, stream)
			}
		}
		assert.Equal(t, []int{3, 3, 3, 9, 9, 9}, order[:6])
		assert.ElementsMatch(t, []int{5, 5, 5, 7, 7, 7}, order[6:])
		assert.NotEqual(t, order[6], order[7], "they share")
	})
}
