package postgres

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// relay is a network between a store and its server that breaks on demand. It understands enough of
// the protocol to see a COMMIT pass.
type relay struct {
	l      net.Listener
	server string
	done   sync.WaitGroup

	mu      sync.Mutex
	verdict verdict // on the next COMMIT; nil: it passes
	links   []*link
}

// verdict reports whether a COMMIT is passed on. If not, the server hears nothing more of this
// client, not even its end.
type verdict func(k *link, commit []byte) bool

// link is one connection through the relay.
type link struct {
	client, server net.Conn
	isMute         atomic.Bool   // whether the client hears nothing more of the server
	swallowed      chan struct{} // gets a value when the swallowed response was there
	isLost         atomic.Bool   // whether the server hears nothing more of the client
}

// through puts a relay in front of the server that the options name.
func through(t *testing.T, o Options) (*relay, Options) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{l: l, server: net.JoinHostPort(o.Host, strconv.Itoa(o.Port))}
	r.done.Go(r.accept)
	t.Cleanup(r.close)
	o.Host, o.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	return r, o
}

func (r *relay) accept() {
	for {
		client, err := r.l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		k := &link{client: client, server: server, swallowed: make(chan struct{}, 1)}
		r.mu.Lock()
		r.links = append(r.links, k)
		r.mu.Unlock()
		r.done.Go(func() { r.toServer(k) })
		r.done.Go(k.toClient)
	}
}

// toServer passes on the client's messages, one at a time. The first has no type.
func (r *relay) toServer(k *link) {
	for header := 4; ; header = 5 {
		message, err := readMessage(k.client, header)
		if err != nil {
			break
		}
		if isCommit(message) && !r.judge(k, message) {
			k.isLost.Store(true)
		}
		if k.isLost.Load() {
			continue
		}
		if _, err := k.server.Write(message); err != nil {
			break
		}
	}
	if !k.isLost.Load() {
		_ = k.server.Close()
	}
}

func readMessage(from io.Reader, header int) ([]byte, error) {
	message := make([]byte, header)
	if _, err := io.ReadFull(from, message); err != nil {
		return nil, err
	}
	rest := binary.BigEndian.Uint32(message[header-4:]) - 4
	message = append(message, make([]byte, rest)...)
	_, err := io.ReadFull(from, message[header:])
	return message, err
}

// isCommit reports whether a message ends with a COMMIT. It may have other statements before it.
func isCommit(message []byte) bool {
	return message[0] == 'Q' && bytes.HasSuffix(bytes.ToLower(message), []byte("commit\x00"))
}

func (r *relay) judge(k *link, commit []byte) bool {
	r.mu.Lock()
	verdict := r.verdict
	r.verdict = nil
	r.mu.Unlock()
	return verdict == nil || verdict(k, commit)
}

// toClient passes on the server's bytes.
func (k *link) toClient() {
	buffer := make([]byte, 64<<10)
	for {
		n, err := k.server.Read(buffer)
		if err != nil {
			break
		}
		if k.isMute.Load() {
			select {
			case k.swallowed <- struct{}{}:
			default:
			}
			continue
		}
		if _, err := k.client.Write(buffer[:n]); err != nil && !k.isLost.Load() {
			break
		}
	}
	_ = k.client.Close()
}

// onCommit sets the verdict on the next COMMIT.
func (r *relay) onCommit(v verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verdict = v
}

// carryOut passes a COMMIT on, and returns once the server has sent its response, which the client
// doesn't get.
func (k *link) carryOut(commit []byte) {
	k.isMute.Store(true)
	if _, err := k.server.Write(commit); err == nil {
		<-k.swallowed
	}
}

// lose cuts every connection for the client, without the server's knowledge.
func (r *relay) lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.links {
		k.isLost.Store(true)
		_ = k.client.Close()
	}
}

// cut cuts every connection for both.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.links {
		_ = k.client.Close()
		_ = k.server.Close()
	}
}

func (r *relay) close() {
	_ = r.l.Close()
	r.cut()
	r.done.Wait()
}
