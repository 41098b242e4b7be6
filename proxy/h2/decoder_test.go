package h2

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"
)

// fields decodes blocks with a decoder, each in pieces of a size.
func decodeBlock(d *decoder, got *[]hpack.HeaderField, block []byte, piece, limit int) error {
	*got = nil
	d.begin(limit)
	for len(block) > 0 {
		n := min(piece, len(block))
		if err := d.decode(block[:n]); err != nil {
			return err
		}
		block = block[n:]
	}
	return d.end()
}

func newTestDecoder(got *[]hpack.HeaderField) *decoder {
	return newDecoder(1<<16, func(name, value string) {
		*got = append(*got, hpack.HeaderField{Name: strings.Clone(name), Value: strings.Clone(value)})
	})
}

// What package hpack's encoder encodes is decoded, whatever it indexes, and in whatever pieces it
// comes.
func TestDecoderReadsWhatIsEncoded(t *testing.T) {
	names := []string{":path", ":method", "x", "x-long-name-that-is-new", "cookie", "accept", "", strings.Repeat("n", 1000)}
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		e := hpack.NewEncoder(&out)
		var got []hpack.HeaderField
		d := newTestDecoder(&got)
		for range rapid.IntRange(1, 30).Draw(t, "blocks") {
			out.Reset()
			if rapid.IntRange(0, 5).Draw(t, "resize") == 0 {
				e.SetMaxDynamicTableSize(uint32(rapid.IntRange(0, tableSize).Draw(t, "size")))
			}
			var want []hpack.HeaderField
			for range rapid.IntRange(0, 20).Draw(t, "fields") {
				f := hpack.HeaderField{
					Name:      rapid.SampledFrom(names).Draw(t, "name"),
					Value:     strings.Repeat(rapid.StringN(0, 5, 10).Draw(t, "value"), rapid.SampledFrom([]int{1, 1, 10, 300}).Draw(t, "times")),
					Sensitive: rapid.IntRange(0, 4).Draw(t, "never") == 0,
				}
				_ = e.WriteField(f)
				f.Sensitive = false
				want = append(want, f)
			}
			limit := rapid.SampledFrom([]int{1 << 30, 1 << 30, 1000, 0}).Draw(t, "limit")
			if err := decodeBlock(d, &got, out.Bytes(), rapid.SampledFrom([]int{1, 7, 1 << 20}).Draw(t, "piece"), limit); err != nil {
				t.Fatal(err)
			}
			left, n := limit, 0
			for n < len(want) && left >= 0 && limit > 0 {
				left -= int(want[n].Size())
				n++
			}
			require.Equal(t, append([]hpack.HeaderField{}, want[:n]...), append([]hpack.HeaderField{}, got...))
		}
	})
}

// The examples of RFC 7541, appendix C.4: requests with Huffman's code.
func TestDecoderExamples(t *testing.T) {
	var got []hpack.HeaderField
	d := newTestDecoder(&got)
	for block, want := range map[string]int{"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff": 57} {
		require.NoError(t, decodeBlock(d, &got, []byte(block), 100, 1000))
		assert.Equal(t, []hpack.HeaderField{
			{Name: ":method", Value: "GET"},
			{Name: ":scheme", Value: "http"},
			{Name: ":path", Value: "/"},
			{Name: ":authority", Value: "www.example.com"},
		}, got)
		assert.Equal(t, want, d.size)
	}
	require.NoError(t, decodeBlock(d, &got, []byte("\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf"), 100, 1000))
	assert.Equal(t, hpack.HeaderField{Name: "cache-control", Value: "no-cache"}, got[4])
	assert.Equal(t, 110, d.size)
}

func TestDecoderRefuses(t *testing.T) {
	for block, want := range map[string]error{
		"\x80": errIndex, "\xbe": errIndex, "\x7f\x00\x01x": errIndex, "\x40\x05ab": errCutShort, "\x40": errCutShort,
		"\xff\xff\xff\xff\xff\xff\x01": errInteger, "\x82\x20": errResize, "\x3f\xe2\x1f": errResize, "\x40\x7f\xff\xff\x7f": errTooLong,
		"\x41\x81\x00": hpack.ErrInvalidHuffman, "\xff": errCutShort,
	} {
		for _, piece := range []int{1, 100} {
			var got []hpack.HeaderField
			assert.Equal(t, want, decodeBlock(newTestDecoder(&got), &got, []byte(block), piece, 1000), "%x", block)
		}
	}
}

// Whatever comes, package hpack's decoder has the same to say.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte("\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"), []byte("\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf"), 3)
	f.Add([]byte("\x20\x3f\xe1\x1f\x40\x01a\x01b\xbe\x7e\x00"), []byte("\x10\x01a\x01b\x0f\x2f\x01c"), 1)
	f.Fuzz(func(t *testing.T, first, second []byte, piece int) {
		var got, want []hpack.HeaderField
		d := newTestDecoder(&got)
		theirs := hpack.NewDecoder(tableSize, nil)
		for _, block := range [][]byte{first, second} {
			var err error
			want, err = theirs.DecodeFull(block)
			ours := decodeBlock(d, &got, block, max(piece, 1), 1<<30)
			if ours == errResize && err == nil {
				return // They take a change of size behind a field if the table is empty.
			}
			require.Equal(t, err == nil, ours == nil, "%v, %v", err, ours)
			if err != nil {
				return
			}
			for i := range want {
				want[i].Sensitive = false
			}
			require.Equal(t, append([]hpack.HeaderField{}, want...), append([]hpack.HeaderField{}, got...))
		}
	})
}
