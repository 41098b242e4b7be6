package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/store/blob"
	"gopher-equalizer/store/memory"
)

func secret(t testing.TB, b byte) *Secret {
	t.Helper()
	s, err := ParseSecret(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, secretSize)))
	require.NoError(t, err)
	return s
}

// A list has the sizes of values as they were put, and revisions and locks are the store's.
func TestList(t *testing.T) {
	b := New(memory.NewBlobs(), secret(t, 1))
	at, err := b.Put(t.Context(), "a/b", []byte("value"), blob.None)
	require.NoError(t, err)
	_, err = b.Put(t.Context(), "a/c", nil, blob.None)
	require.NoError(t, err)
	infos, err := b.List(t.Context(), "a/")
	require.NoError(t, err)
	assert.Equal(t, []blob.Info{{Key: "a/b", Revision: at, Size: 5}, {Key: "a/c", Revision: at + 1}}, infos)
	_, err = b.Put(t.Context(), "a/b", nil, blob.None)
	require.ErrorIs(t, err, blob.ErrRevision)
	_, _, err = b.Get(t.Context(), "a")
	require.ErrorIs(t, err, blob.ErrNotFound)
}

func TestParseSecret(t *testing.T) {
	key := bytes.Repeat([]byte{7}, secretSize)
	a, err := ParseSecret(base64.StdEncoding.EncodeToString(key))
	require.NoError(t, err)
	b, err := ParseSecret(hex.EncodeToString(key))
	require.NoError(t, err)
	assert.Equal(t, a.id, b.id)
	for _, text := range []string{"", "secret", hex.EncodeToString(key[1:]), strings.Repeat("zz", secretSize)} {
		_, err := ParseSecret(text)
		require.ErrorIs(t, err, errSecret, text)
	}
}

// What reaches the store shows nothing of a value, and is another each time.
func TestSealed(t *testing.T) {
	under := memory.NewBlobs()
	b := New(under, secret(t, 1))
	value := bytes.Repeat([]byte("private"), 10)
	var before []byte
	for range 2 {
		_, err := b.Put(t.Context(), "a", value, blob.Any)
		require.NoError(t, err)
		stored, _, err := under.Get(t.Context(), "a")
		require.NoError(t, err)
		assert.NotContains(t, string(stored), "private")
		assert.NotEqual(t, before, stored)
		before = stored
	}
	got, _, err := b.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, value, got)
}

// Each way in which a value can't be read has an error of its own.
func TestUnreadable(t *testing.T) {
	under := memory.NewBlobs()
	b := New(under, secret(t, 1))
	put := func(key string, value []byte) {
		t.Helper()
		_, err := under.Put(t.Context(), key, value, blob.Any)
		require.NoError(t, err)
	}
	refused := func(b *Blobs, key, why string) {
		t.Helper()
		_, _, err := b.Get(t.Context(), key)
		require.ErrorIs(t, err, ErrUnreadable)
		require.ErrorContains(t, err, why)
		require.ErrorContains(t, err, `"`+key+`"`)
	}
	_, err := b.Put(t.Context(), "a", []byte("value"), blob.Any)
	require.NoError(t, err)
	sealed, _, err := under.Get(t.Context(), "a")
	require.NoError(t, err)

	refused(New(under, secret(t, 2)), "a", "want the former secret")
	put("plain", []byte("-----BEGIN EC PRIVATE KEY-----"))
	refused(b, "plain", "isn't sealed")
	put("empty", nil)
	refused(b, "empty", "isn't sealed")
	put("moved", sealed)
	refused(b, "moved", "another key")
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		put("a", changed)
		refused(b, "a", "it ")
	}
	put("a", sealed[:len(sealed)-1])
	refused(b, "a", "damaged")
}
