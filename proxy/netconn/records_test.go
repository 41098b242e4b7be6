package netconn

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// However records come, in pieces of any size, a read ends with a record, unless they are small.
func TestRecordsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.IntRange(0, 17<<10), 1, 8).Draw(t, "lengths")
		var all []byte
		ends := map[int]int{0: 0} // where each record ends, and how long it is
		for _, n := range lengths {
			all = append(append(all, 0x17, 3, 3, byte(n>>8), byte(n)), make([]byte, n)...)
			ends[len(all)] = recordHeader + n
		}
		var r records
		for at := 0; at < len(all); {
			room := rapid.IntRange(1, 40<<10).Draw(t, "room")
			most := r.most(room)
			assert.Positive(t, most)
			assert.LessOrEqual(t, most, room)
			if last, isEnd := ends[at]; isEnd && last >= largeRecord {
				assert.Equal(t, min(room, last), most)
			}
			n := min(most, len(all)-at, rapid.IntRange(1, 40<<10).Draw(t, "came"))
			from, isBegin := at, ends[at] > 0 || at == 0
			one := r.came(all[at : at+n])
			at += n
			assert.Equal(t, isBegin && ends[at] == at-from, one)
		}
		assert.Zero(t, r.left)
		assert.Zero(t, r.have)
	})
}

// A bulk of equal records is read one by one.
func TestRecordsOfABulk(t *testing.T) {
	var r records
	record := append([]byte{0x17, 3, 3, 0x40, 0x11}, make([]byte, 0x4011)...)
	assert.Equal(t, 576, r.most(576), "nothing is known yet")
	r.came(record[:576])
	assert.Equal(t, len(record)-576, r.most(40<<10))
	r.came(record[576:])
	for range 3 {
		assert.Equal(t, len(record), r.most(40<<10))
		r.came(record)
	}
	small := []byte{0x17, 3, 3, 0, 1, 0}
	r.came(small)
	assert.Equal(t, 40<<10, r.most(40<<10))
}
