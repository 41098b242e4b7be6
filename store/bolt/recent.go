package bolt

import (
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"
)

// A flush of random clients changes nearly every chunk of the base, in a row or a few each. So
// larger batches are first stored as they are, one after the other: they are recent. Once they
// change nearly every chunk anyway, they are folded into the base in the order of the client_ids, a
// stretch with each write. The comparison of stores in bench/lab measures the gain.
//
// The recent batches are in up to two generations, each of them a bucket: one that is being folded,
// and a newer one that is written to. The sequence of a generation's bucket is the number of bytes
// in it. Each batch is a run of chunks. A chunk's key begins with the number of its run, in 4
// bytes, big endian.
const runNumber = 4

// pace decides which batches become recent, and for how long.
type pace struct {
	// While nothing is recent, batches of at most this many changes go to the base, which costs
	// less CPU.
	few   int
	chunk int // bytes in a chunk, or a row more
	// A generation is full when it is this share of the file and has leastBytes, or when it has
	// mostRuns.
	share      int64
	leastBytes int64
	mostRuns   uint32
	// A write of n changes folds stretch*n rows. That is more than it writes, so a generation is
	// folded before the next one is full.
	stretch int
}

func usualPace() pace {
	return pace{few: 10, chunk: 16 << 10, share: 3, leastBytes: 4 << 20, mostRuns: 512, stretch: 2}
}

// contents are the buckets of a file within a transaction.
type contents struct {
	tx           *bbolt.Tx
	meta, recent *bbolt.Bucket
	namespaces   *bbolt.Bucket
	base         base
	generations  []generation // the oldest first
}

type generation struct {
	name []byte // a number in 8 bytes, big endian; nil if it is old
	*bbolt.Bucket
}

// old reports whether these are the rows of a file of version 3 or older, where each row has its
// own key. They are folded first, and moved rather than copied.
func (g generation) old() bool { return g.name == nil }

func contentsOf(tx *bbolt.Tx) (*contents, error) {
	c := &contents{
		tx: tx, meta: tx.Bucket([]byte(metaName)), base: base{tx.Bucket([]byte(baseName))}, recent: tx.Bucket([]byte(recentName)),
		namespaces: tx.Bucket([]byte(namespacesName)),
	}
	switch {
	case c.meta == nil:
		return nil, errNoMeta
	case c.base.Bucket == nil || c.recent == nil || c.namespaces == nil:
		return nil, errNoBuckets
	}
	if old := tx.Bucket([]byte(bucketsName)); old != nil {
		c.generations = append(c.generations, generation{nil, old})
	}
	return c, c.recent.ForEachBucket(func(name []byte) error {
		c.generations = append(c.generations, generation{slices.Clone(name), c.recent.Bucket(name)})
		return nil
	})
}

// write applies a batch, which is in the order of the client_ids.
func (c *contents) write(all []change, p pace) error {
	if len(c.generations) == 0 && len(all) <= p.few {
		return c.base.apply(all, p.chunk)
	}
	if err := c.fold(c.stretch(len(all), p), p); err != nil || len(all) == 0 {
		return err
	}
	newest, run, err := c.newest(p)
	if err != nil {
		return err
	}
	return newest.append(run, all, p)
}

// newest is the generation to write to, and the number of its next run. A full generation gets a
// successor only after the generation before it is folded.
func (c *contents) newest(p pace) (newest generation, run uint32, err error) {
	number := uint64(0)
	if n := len(c.generations); n > 0 && !c.generations[n-1].old() {
		newest = c.generations[n-1]
		if last, _ := newest.Cursor().Last(); last != nil {
			run = binary.BigEndian.Uint32(last) + 1
		}
		enough := run >= p.mostRuns || int64(newest.Sequence()) >= max(p.leastBytes, c.tx.Size()/p.share)
		if n > 1 || !enough {
			return newest, run, nil
		}
		number = binary.BigEndian.Uint64(newest.name) + 1
	}
	name := binary.BigEndian.AppendUint64(nil, number)
	b, err := c.recent.CreateBucket(name)
	return generation{name, b}, 0, err
}

// append adds a batch as a run.
func (g generation) append(run uint32, all []change, p pace) error {
	bytes := g.Sequence()
	for len(all) > 0 {
		key := append(binary.BigEndian.AppendUint32(nil, run), all[0].key...)
		chunk := make([]byte, 0, p.chunk+usualSize)
		for len(all) > 0 && len(chunk) < p.chunk {
			chunk = appendRow(chunk, all[0])
			all = all[1:]
		}
		if err := g.Put(key, chunk); err != nil {
			return err
		}
		bytes += uint64(len(chunk))
	}
	return g.SetSequence(bytes)
}

// stretch is how many rows a write of n changes folds. It is enough for mostRuns writes to fold all
// of a generation, however small they are. Otherwise small writes that follow a peak would add more
// and more runs.
func (c *contents) stretch(n int, p pace) int {
	rows := p.stretch * n
	if len(c.generations) > 1 {
		bytes := c.generations[0].Sequence()
		if c.generations[0].old() {
			bytes = uint64(c.tx.Size())
		}
		rows = max(rows, int(bytes/usualSize/uint64(p.mostRuns)))
	}
	return rows
}

// fold puts the next n rows of a full generation into the base. The meta bucket notes the progress.
// Folded rows stay in the generation until all of it is folded. That is safe: the base never holds
// a newer row. Only old rows are removed immediately, since their number has no bound: dropping all
// of them in one transaction might time out at every attempt.
func (c *contents) fold(n int, p pace) error {
	if len(c.generations) < 2 || n == 0 {
		return nil
	}
	oldest := c.generations[0]
	rows, err := newMerge(oldest.runs(c.meta.Get([]byte(foldedName))))
	if err != nil {
		return err
	}
	stretch := make([]change, 0, n)
	for len(stretch) < n {
		one, err := rows.next()
		if err != nil {
			return err
		}
		if one.key == nil {
			return c.drop(stretch, p)
		}
		stretch = append(stretch, one)
	}
	if err := c.base.apply(stretch, p.chunk); err != nil {
		return err
	}
	if oldest.old() {
		return oldest.remove(stretch)
	}
	return c.meta.Put([]byte(foldedName), following(stretch[n-1].key))
}

func (g generation) remove(rows []change) error {
	for _, one := range rows {
		if err := g.Delete(one.key); err != nil {
			return err
		}
	}
	return nil
}

// drop removes the oldest generation, with its remaining rows, in one transaction. A generation has
// at most some 2 * mostRuns runs, however large the file is. Dropping 0.5 GB of them took 0.12 s
// (make bench-go BENCH=LargeDrop).
func (c *contents) drop(left []change, p pace) error {
	if err := c.base.apply(left, p.chunk); err != nil {
		return err
	}
	oldest := c.generations[0]
	c.generations = c.generations[1:]
	var err error
	if oldest.old() {
		err = c.tx.DeleteBucket([]byte(bucketsName))
	} else {
		err = c.recent.DeleteBucket(oldest.name)
	}
	if err != nil {
		return err
	}
	return c.meta.Delete([]byte(foldedName))
}

// following is the smallest key after another one.
func following(key []byte) []byte { return append(slices.Clip(key), 0) }
