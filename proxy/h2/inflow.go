package h2

// inflow is what has come of a body and wasn't read yet, in memory that is lent. The connection's
// mu guards it.
type inflow struct {
	first, last *chunk
	size        int
}

// chunk is a part of a body: memory[start:end].
type chunk struct {
	memory     *[]byte
	start, end int
	next       *chunk
}

func (c *chunk) bytes() []byte { return (*c.memory)[c.start:c.end] }

// mostChunk is how much a chunk holds at most, more or less.
const mostChunk = 16 << 10

// add adds what has come. Little is added to the last chunk, so that many small frames take hardly
// more memory than they bring bytes.
func (in *inflow) add(p []byte) {
	in.size += len(p)
	if c := in.last; c != nil {
		n := copy((*c.memory)[c.end:], p)
		c.end += n
		p = p[n:]
	}
	if len(p) == 0 {
		return
	}
	c := chunks.Get().(*chunk)
	*c = chunk{memory: memory.Get(max(len(p), min(in.size, mostChunk)))}
	c.end = copy(*c.memory, p)
	if in.last == nil {
		in.first = c
	} else {
		in.last.next = c
	}
	in.last = c
}

// read moves what there is into p, as far as it has room.
func (in *inflow) read(p []byte) (n int) {
	for n < len(p) && in.first != nil {
		c := in.first
		m := copy(p[n:], c.bytes())
		n, c.start = n+m, c.start+m
		if c.start == c.end {
			in.pop()
		}
	}
	in.size -= n
	return n
}

// take takes the first chunk out; nil if there is none. It must be given back.
func (in *inflow) take() *chunk {
	c := in.first
	if c == nil {
		return nil
	}
	in.unlink()
	in.size -= c.end - c.start
	return c
}

func (in *inflow) unlink() {
	in.first = in.first.next
	if in.first == nil {
		in.last = nil
	}
}

// pop drops the first chunk.
func (in *inflow) pop() {
	c := in.first
	in.unlink()
	c.giveBack()
}

// drop drops all, and returns how much that was.
func (in *inflow) drop() (size int) {
	size = in.size
	for in.first != nil {
		in.pop()
	}
	in.size = 0
	return size
}

// giveBack gives the chunk's memory back.
func (c *chunk) giveBack() {
	memory.Put(c.memory)
	*c = chunk{}
	chunks.Put(c)
}
