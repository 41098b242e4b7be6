package route

// tree has path prefixes by their segments. It is immutable once it is built.
type tree struct{ root node }

// node is a prefix: of a route or an exemption, or of a longer one.
type node struct {
	parent     *node
	children   map[string]*node
	candidates candidates
	// covered reports that an exemption has this prefix, or a shorter one.
	covered bool
}

// at returns the node of a prefix, which is made if there is none yet.
func (t *tree) at(p Prefix) *node {
	n := &t.root
	for _, segment := range p.segments {
		child := n.children[segment]
		if child == nil {
			child = &node{parent: n}
			if n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[segment] = child
		}
		n = child
	}
	return n
}

// find returns the node of the longest prefix that a path's normal form has.
func (t *tree) find(p *Path) *node {
	n, path := &t.root, p.raw
	if p.kind == pathTangled && n.children != nil {
		path = p.Normal()
	}
	var buffer [maxSegment]byte
	for len(path) > 1 && n.children != nil {
		segment := segmentOf(path[1:])
		path = path[1+len(segment):]
		if p.kind != pathPlain {
			segment = unescape(&buffer, segment)
		}
		child := n.children[string(segment)]
		if child == nil {
			return n
		}
		n = child
	}
	return n
}

// unescape decodes a segment. One that is longer than any segment of a prefix stays as it is: it
// is none of them in either form.
func unescape(buffer *[maxSegment]byte, segment []byte) []byte {
	if decoded, ok := appendUnescaped(buffer[:0], segment); ok {
		return decoded
	}
	return segment
}
