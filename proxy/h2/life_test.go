package h2

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// A client may have MaxStreams streams open. Those that it has reset count no more for it, but only
// so many requests run as it may have streams, whatever it resets.
func TestMaxStreams(t *testing.T) {
	within(t, limits(), func(b *bed) {
		most := uint32(limits().MaxStreams)
		for i := range most {
			b.get(2*i+1, "/hold")
		}
		b.expect()
		b.get(2*most+1, "/hold")
		b.expect("reset 21 REFUSED_STREAM")
		_ = b.WriteRSTStream(1, http2.ErrCodeCancel)
		b.next()
		b.get(2*most+3, "/")
		b.expect("head 23 200", "data 23 ok end")
		assert.EqualValues(t, most-1, b.Stats().Running)
		assert.EqualValues(t, 1, b.Stats().Refused)
		assert.EqualValues(t, 1, b.Stats().Reset)
	})
}

// Rapid resets (CVE-2023-44487), and the ways to have the server reset (MadeYouReset,
// CVE-2025-8671), have no more requests run than there may be streams.
func TestResetsGainNothing(t *testing.T) {
	for name, reset := range map[string]func(b *bed, stream uint32){
		"RST_STREAM":             func(b *bed, stream uint32) { _ = b.WriteRSTStream(stream, http2.ErrCodeCancel) },
		"WINDOW_UPDATE by 0":     func(b *bed, stream uint32) { _ = b.WriteWindowUpdate(stream, 0) },
		"WINDOW_UPDATE overflow": func(b *bed, stream uint32) { _ = b.WriteWindowUpdate(stream, maxWindow) },
		"DATA behind the end":    func(b *bed, stream uint32) { _ = b.WriteData(stream, true, nil) },
		"HEADERS behind the end": func(b *bed, stream uint32) { b.get(stream, "/") },
	} {
		t.Run(name, func(t *testing.T) {
			within(t, limits(), func(b *bed) {
				running, most := int64(0), int64(0)
				for stream := uint32(1); ; stream += 2 {
					b.get(stream, "/hold")
					reset(b, stream)
					now := b.Stats()
					running, most = max(running, now.Running), max(most, now.Streams)
					if b.ended() {
						break
					}
					require.Less(t, stream, uint32(20_000))
				}
				assert.LessOrEqual(t, running, int64(limits().MaxStreams))
				assert.LessOrEqual(t, most, int64(2*limits().MaxStreams))
				assert.Contains(t, b.faults()[0], "ENHANCE_YOUR_CALM")
				assert.EqualValues(t, 1, b.Stats().Calmed)
			})
		})
	}
}

// Frames that are of no use end the connection when there are too many of them, and a graceful end
// comes before.
func TestFloods(t *testing.T) {
	for name, send := range map[string]func(b *bed){
		"ping":          func(b *bed) { _ = b.WritePing(false, [8]byte{}) },
		"settings":      func(b *bed) { _ = b.WriteSettings() },
		"priority":      func(b *bed) { _ = b.WriteRawFrame(http2.FramePriority, 0, 3, []byte("\x00\x00\x00\x05\x10")) },
		"small-window":  func(b *bed) { _ = b.WriteWindowUpdate(0, 1) },
		"empty-data":    func(b *bed) { _ = b.WriteDataPadded(1, false, nil, make([]byte, 10)) },
		"unknown-frame": func(b *bed) { _ = b.WriteRawFrame(0x77, 0, 0, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			within(t, limits(), func(b *bed) {
				b.open(1, "/hold")
				for n := 0; ; n++ {
					send(b)
					if b.ended() {
						break
					}
					require.Less(t, n, 50_000)
				}
				require.Len(t, b.faults(), 1)
				assert.Contains(t, b.faults()[0], "ENHANCE_YOUR_CALM: too much that is of no use: mostly "+name+", ")
				assert.Greater(t, b.Stats().Oddities[name], int64(500))
				all := strings.Join(b.came(), "\n")
				assert.Contains(t, all, "goaway 2147483647 NO_ERROR")
			})
		})
	}
}

// A little data forgives no resets, whoever sends it.
func TestResetsBehindALittleData(t *testing.T) {
	for name, act := range map[string]func(b *bed, stream uint32){
		"the client's": func(b *bed, stream uint32) {
			b.open(stream, "/upload")
			_ = b.WriteData(stream, false, []byte("x"))
		},
		"ours": func(b *bed, stream uint32) {
			b.open(stream, "/echo")
			_ = b.WriteData(stream, false, []byte("x"))
			synctest.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, limits(), func(b *bed) {
				stream := uint32(1)
				for ; !b.ended(); stream += 2 {
					require.Less(t, stream, uint32(20_000))
					act(b, stream)
					_ = b.WriteRSTStream(stream, http2.ErrCodeCancel)
					synctest.Wait()
				}
				assert.Greater(t, stream, uint32(1_000))
				assert.Contains(t, b.faults()[0], "ENHANCE_YOUR_CALM: too much that is of no use: mostly reset, ")
			})
		})
	}
}

// Data forgive by their bytes: a client that takes or brings much may change its mind often.
func TestMuchDataForgives(t *testing.T) {
	within(t, limits(), func(b *bed) {
		for i := range uint32(3_000) {
			b.open(2*i+1, "/upload")
			_ = b.WriteData(2*i+1, false, make([]byte, 2_000))
			_ = b.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
			synctest.Wait()
		}
		assert.False(t, b.ended())
		assert.Empty(t, b.faults())
	})
}

// Clients may answer each piece of a response by a PING and by giving back its windows, however
// small it is.
func TestAnswersToDataAreNotOdd(t *testing.T) {
	within(t, limits(), func(b *bed) {
		b.open(1, "/echo")
		for range 10_000 {
			_ = b.WriteData(1, false, []byte("x"))
			synctest.Wait()
			_ = b.WritePing(false, [8]byte{})
			_ = b.WriteWindowUpdate(0, 1)
			_ = b.WriteWindowUpdate(1, 1)
		}
		assert.False(t, b.ended())
		assert.Zero(t, b.Stats().Oddities["ping"])
		assert.Zero(t, b.Stats().Oddities["small-window"])
	})
}

// What a client brings lets it leave no more than some of our answers unread.
func TestUnreadAnswers(t *testing.T) {
	within(t, limits(), func(b *bed) {
		b.deaf.Store(true)
		b.open(1, "/upload")
		n := 0
		for ; len(b.faults()) == 0; n++ {
			require.Less(t, n, 50_000)
			_ = b.WriteData(1, false, []byte("x"))
			_ = b.WritePing(false, [8]byte{})
			synctest.Wait()
		}
		assert.Greater(t, n, mostOwed/17)
		assert.Equal(t, []string{"ENHANCE_YOUR_CALM: what answers its frames isn't read"}, b.faults())
	})
}

// What a busy client does now and then is forgiven.
func TestOdditiesAreForgiven(t *testing.T) {
	within(t, limits(), func(b *bed) {
		for i := range 2000 {
			_ = b.WritePing(false, [8]byte{})
			b.get(uint32(2*i+1), "/")
			if i%5 == 0 {
				synctest.Wait()
			}
		}
		for range 50 {
			for range 60 {
				_ = b.WritePing(false, [8]byte{})
			}
			time.Sleep(time.Second)
		}
		assert.Empty(t, slices.DeleteFunc(b.next(), func(f string) bool { return !strings.HasPrefix(f, "goaway") }))
	})
}

// A connection that is to end says so twice, and serves what comes in between.
func TestGracefulEnd(t *testing.T) {
	within(t, limits(), func(b *bed) {
		b.get(1, "/hold")
		b.expect()
		b.closes.Store(true)
		b.get(3, "/")
		b.expect("goaway 2147483647 NO_ERROR", "ping ack=false leaving.", "head 3 200", "data 3 ok end")
		b.get(5, "/")
		b.expect("head 5 200", "data 5 ok end")
		_ = b.WritePing(true, leavePing)
		b.expect("goaway 5 NO_ERROR")
		b.get(7, "/")
		b.expect()
		b.release <- struct{}{}
		b.expect("head 1 200", "data 1 held end", "end")
	})
}

// An idle connection is told at once, too, when somebody wakes it for that.
func TestGracefulEndOfAnIdleConnection(t *testing.T) {
	within(t, limits(), func(b *bed) {
		b.clients.WakeSeveral()
		b.expect()
		b.closes.Store(true)
		b.clients.WakeSeveral()
		b.expect("goaway 2147483647 NO_ERROR", "ping ack=false leaving.")
		_ = b.WritePing(true, leavePing)
		b.expect("goaway 0 NO_ERROR", "end")
	})
}

// While the process drains, a client is served on, whether it has said that it heard or not, and
// told the last stream when the listeners close.
func TestDrain(t *testing.T) {
	for _, says := range []bool{false, true} {
		within(t, limits(), func(b *bed) {
			b.closes.Store(true)
			b.drains.Store(true)
			b.clients.WakeSeveral()
			b.expect("goaway 2147483647 NO_ERROR", "ping ack=false leaving.")
			if says {
				_ = b.WritePing(true, leavePing)
			}
			time.Sleep(5 * leaveGrace)
			b.get(1, "/")
			b.expect("head 1 200", "data 1 ok end")
			b.clients.CloseIdle()
			b.expect("goaway 1 NO_ERROR", "end")
		})
	}
}

// A client that doesn't say that it has heard has little time for it.
func TestGracefulEndOfASilentClient(t *testing.T) {
	within(t, limits(), func(b *bed) {
		b.closes.Store(true)
		b.get(1, "/")
		b.next()
		time.Sleep(2 * leaveGrace)
		b.expect("goaway 1 NO_ERROR", "end")
	})
}

// A stop has the connection end, and waits for requests that may still spend something.
func TestStop(t *testing.T) {
	within(t, limits(), func(b *bed) {
		b.get(1, "/hold")
		b.next()
		closed := make(chan error, 1)
		go func() { closed <- b.clients.Close(context.Background(), time.Second/2) }()
		b.expect("goaway 2147483647 NO_ERROR", "ping ack=false leaving.")
		assert.Empty(t, closed, "another request may be on its way")
		b.get(3, "/hold")
		_ = b.WritePing(true, leavePing)
		b.expect("goaway 3 NO_ERROR")
		require.NoError(t, <-closed)
		b.release <- struct{}{}
		b.release <- struct{}{}
		synctest.Wait()
		got := b.next()
		assert.Equal(t, "end", got[len(got)-1])
		assert.Len(t, got, 5)
	})
}

// A head that isn't whole when a stop has no more time isn't taken.
func TestStopInTheMidstOfAHead(t *testing.T) {
	within(t, limits(), func(b *bed) {
		_ = b.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b.head("GET", "/"), EndStream: true})
		b.next()
		require.NoError(t, b.clients.Close(context.Background(), time.Second/4))
		got := b.next()
		assert.Equal(t, []string{"goaway 0 NO_ERROR", "end"}, got[len(got)-2:])
	})
}

// Streams that last are cut, and others aren't.
func TestCutLasting(t *testing.T) {
	within(t, limits(), func(b *bed) {
		b.get(1, "/hold")
		b.get(3, "/last")
		b.next()
		assert.Equal(t, 1, b.clients.CutLasting())
		b.expect("reset 3 NO_ERROR")
		b.release <- struct{}{}
		b.expect("head 1 200", "data 1 held end")
		b.get(5, "/last")
		b.expect("reset 5 NO_ERROR")
	})
}

// What takes too long ends.
func TestTimeouts(t *testing.T) {
	f := func(name string, begin func(b *bed), limit time.Duration, want ...string) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, limits())
				defer b.end()
				begin(b)
				b.next()
				time.Sleep(limit - time.Second)
				assert.Empty(t, b.next())
				time.Sleep(2 * time.Second)
				b.expect(want...)
			})
		})
	}
	greet := func(b *bed) { b.greet() }
	f("nothing comes", func(*bed) {}, clientLimits.Header, "goaway 0 SETTINGS_TIMEOUT", "end")
	f("no request comes", greet, clientLimits.Header, "goaway 0 NO_ERROR", "end")
	f("no other request comes", func(b *bed) {
		b.greet()
		b.get(1, "/")
	}, clientLimits.Idle, "goaway 1 NO_ERROR", "end")
	f("SETTINGS aren't acknowledged", func(b *bed) {
		b.raw(Preface)
		_ = b.WriteSettings()
		b.get(1, "/hold")
	}, clientLimits.Header, "goaway 1 SETTINGS_TIMEOUT", "end")
	f("a head isn't whole", func(b *bed) {
		b.greet()
		_ = b.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b.head("GET", "/")})
	}, clientLimits.Header, "goaway 0 PROTOCOL_ERROR", "end")
}

// Requests beyond MaxRunning wait, the most urgent ones first, and connections take turns.
func TestMaxRunning(t *testing.T) {
	l := limits()
	l.MaxRunning = 1
	within(t, l, func(b *bed) {
		b.get(1, "/hold")
		b.expect()
		b.get(3, "/", "priority", "u=6")
		b.get(5, "/", "priority", "u=1")
		b.get(7, "/")
		b.expect()
		assert.EqualValues(t, 1, b.Stats().Running)
		assert.EqualValues(t, 4, b.Stats().Streams)
		b.release <- struct{}{}
		var order []string
		for _, f := range b.next() {
			if strings.HasPrefix(f, "head") {
				order = append(order, f)
			}
		}
		assert.Equal(t, []string{"head 1 200", "head 5 200", "head 7 200", "head 3 200"}, order)
	})
}

// A client that leaves ends what runs for it.
func TestClientLeaves(t *testing.T) {
	within(t, limits(), func(b *bed) {
		b.get(1, "/hold")
		b.open(3, "/upload")
		b.get(5, "/send/1000000")
		b.next()
		_ = b.conn.Close()
		b.next()
		assert.Zero(t, b.Stats().Streams)
		assert.Zero(t, b.clients.Len())
	})
}
