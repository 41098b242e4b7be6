package outcome

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unsafe"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
)

// The last ones are kept, newest first, however many there are and whoever adds at the same time.
func TestRefusalsAreARing(t *testing.T) {
	var l refusals
	assert.Empty(t, l.all())
	assert.Nil(t, l.ring, "nothing was refused, so nothing is held")
	for n := 1; n <= 2*keptRefusals+3; n++ {
		l.put(Refused{Refusal: http1.Refusal{Offset: n}})
		all := l.all()
		require.Len(t, all, min(n, keptRefusals))
		for i, r := range all {
			require.Equal(t, n-i, r.Offset)
		}
	}
	var adding sync.WaitGroup
	for range 4 {
		adding.Go(func() {
			for range 1000 {
				l.put(Refused{Method: "GET"})
				_ = len(l.all())
			}
		})
	}
	adding.Wait()
	assert.Len(t, l.all(), keptRefusals)
}

// All of them together are smaller than 256 KiB, in memory and as the admin API tells them.
func TestRefusalsAreBounded(t *testing.T) {
	largest := Refused{
		Time: time.Now(), Method: strings.Repeat("M", 17),
		Refusal: http1.Refusal{Reason: "transfer-encoding-version", Field: strings.Repeat("f", 64), Offset: 1 << 30, Excerpt: strings.Repeat("\x01", 16)},
	}
	const texts = 24 + 64 + 64 // allocations of the method, the field and the excerpt
	assert.Less(t, keptRefusals*(int(unsafe.Sizeof(largest))+texts), 256<<10)
	shown, err := json.Marshal(largest)
	require.NoError(t, err)
	assert.Less(t, keptRefusals*len(shown), 256<<10, "%s", shown)
}

// What comes apart isn't shown as a method, and no letter or digit of a message is in what is kept
// of it.
func FuzzRefusedMessages(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: a\r\nCookie: abc=5\x01\r\n\r\n")
	f.Add("hunter2 / HTTP/1.1\r\nHost: a b\r\n\r\n")
	record := NewRecorder(zerolog.Nop())
	f.Fuzz(func(t *testing.T, text string) {
		n := http1.HeadEnd([]byte(text), 0)
		if n == 0 {
			return
		}
		var o Outcome
		var head http1.Request
		why := head.Parse([]byte(text[:n]))
		if why == nil {
			return
		}
		why.See([]byte(text[:n]))
		o.Fail(why)
		o.Head = &head
		record.Record(&o, &Log{})
		kept := record.Refused()[0]
		require.Regexp(t, "^[A-Z-]{0,17}$", kept.Method)
		for _, c := range kept.Excerpt {
			require.True(t, c == 'x' || !unicode.IsLetter(c) && !unicode.IsDigit(c), "%q", kept.Excerpt)
		}
	})
}
