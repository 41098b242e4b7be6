package bolt

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"

	"go.etcd.io/bbolt"
)

// The layout of bbolt's pages: a head with the page's kind, the number of its elements, and how
// many more pages it takes. The elements of a branch page end with the number of a page below it.
// Those of a leaf page have flags, where the key begins, and the lengths of key and value. A
// bucket's value has the number of its page, or 0 and a page within. A meta page names the page of
// the freelist, and its transaction.
const (
	pageHead, pageFlags, pageCount, pageOverflow = 16, 8, 10, 12

	elementSize, branchChild  = 16, 8
	bucketElement, bucketHead = 1, 16
	metaFreelist, metaTxID    = pageHead + 32, pageHead + 48

	branchPage, leafPage, freelistPage = 1, 2, 16

	freeSize, manyFree = 8, 0xffff
	noFreelist         = math.MaxUint64
)

// checkPages demands that each page that is in use is in use once, and has the right kind. bbolt
// would read pages that lead back to themselves for ever, in more and more memory, and it would
// free pages by the billion. It finds other damage itself.
func checkPages(tx *bbolt.Tx, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	p := pages{file: file, size: int64(tx.DB().Info().PageSize)}
	p.seen = make([]bool, info.Size()/p.size)
	free, err := p.freelist(uint64(tx.ID() - 1))
	if err == nil {
		err = p.walk(uint64(tx.Cursor().Bucket().Root()))
	}
	if err != nil {
		return err
	}
	for ; len(free) >= freeSize; free = free[freeSize:] {
		id := binary.NativeEndian.Uint64(free)
		if id <= 1 || id >= uint64(len(p.seen)) || p.seen[id] {
			return fmt.Errorf("%w: page %d is listed as free", errDamaged, id)
		}
		p.seen[id] = true
	}
	return nil
}

// pages are a file's pages, and which of them were seen.
type pages struct {
	file *os.File
	size int64
	seen []bool
}

// freelist visits the freelist of a transaction, and returns the numbers in it.
func (p *pages) freelist(txID uint64) ([]byte, error) {
	for id := range min(2, len(p.seen)) {
		meta := make([]byte, metaTxID+8)
		if _, err := p.file.ReadAt(meta, int64(id)*p.size); err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
		list := binary.NativeEndian.Uint64(meta[metaFreelist:])
		if binary.NativeEndian.Uint64(meta[metaTxID:]) == txID && list != noFreelist {
			return p.freed(list)
		}
	}
	return nil, nil
}

// freed are the numbers of pages in a freelist. If they are many, the first is their count.
func (p *pages) freed(list uint64) ([]byte, error) {
	head, err := p.see(list, freelistPage)
	if err != nil {
		return nil, err
	}
	body := make([]byte, p.size*(1+int64(binary.NativeEndian.Uint32(head[pageOverflow:])))-pageHead)
	if _, err := p.file.ReadAt(body, int64(list)*p.size+pageHead); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	count := uint64(binary.NativeEndian.Uint16(head[pageCount:]))
	if count == manyFree {
		count, body = binary.NativeEndian.Uint64(body), body[freeSize:]
	}
	if count > uint64(len(body)/freeSize) {
		return nil, fmt.Errorf("%w: the list of free pages is cut off", errDamaged)
	}
	return body[:count*freeSize], nil
}

// walk visits a page and all below it, also those of buckets.
func (p *pages) walk(root uint64) error {
	for left := []uint64{root}; len(left) > 0; {
		id := left[len(left)-1]
		left = left[:len(left)-1]
		head, err := p.see(id, branchPage, leafPage)
		if err != nil {
			return err
		}
		below, err := p.below(id, head)
		if err != nil {
			return err
		}
		left = append(left, below...)
	}
	return nil
}

// below are the pages that a page leads to.
func (p *pages) below(id uint64, head []byte) (below []uint64, err error) {
	elements := p.elements(id, head)
	for at := 0; at+elementSize <= len(elements); at += elementSize {
		element := elements[at : at+elementSize]
		if kindOf(head) == branchPage {
			below = append(below, binary.NativeEndian.Uint64(element[branchChild:]))
			continue
		}
		if binary.NativeEndian.Uint32(element)&bucketElement == 0 {
			continue
		}
		root, err := p.bucket(int64(id)*p.size+pageHead+int64(at), element)
		if err != nil {
			return nil, err
		}
		if root != 0 {
			below = append(below, root)
		}
	}
	return below, nil
}

// elements are the elements of a page, without keys and values.
func (p *pages) elements(id uint64, head []byte) []byte {
	elements := make([]byte, elementSize*int(binary.NativeEndian.Uint16(head[pageCount:])))
	n, _ := p.file.ReadAt(elements, int64(id)*p.size+pageHead) // Bytes past the end are 0.
	return elements[:n]
}

// bucket is the root of the bucket whose element lies there. It is 0 for a small bucket, whose page
// is within its value.
func (p *pages) bucket(at int64, element []byte) (root uint64, err error) {
	at += int64(binary.NativeEndian.Uint32(element[4:])) + int64(binary.NativeEndian.Uint32(element[8:]))
	size := binary.NativeEndian.Uint32(element[12:])
	value := make([]byte, bucketHead+pageHead)
	n, _ := p.file.ReadAt(value, at)
	value = value[:min(uint32(n), size)]
	if len(value) < bucketHead || at+int64(size) > int64(len(p.seen))*p.size {
		return 0, fmt.Errorf("%w: a bucket has no root", errDamaged)
	}
	root = binary.NativeEndian.Uint64(value)
	if inner := value[bucketHead:]; root == 0 && (len(inner) < pageHead || kindOf(inner) != leafPage) {
		return 0, fmt.Errorf("%w: a small bucket has no page", errDamaged)
	}
	return root, nil
}

func kindOf(head []byte) uint16 { return binary.NativeEndian.Uint16(head[pageFlags:]) }

// see notes that a page is in use, and returns its head. The page must have one of these kinds.
func (p *pages) see(id uint64, kinds ...uint16) (head []byte, err error) {
	head = make([]byte, pageHead)
	if id >= uint64(len(p.seen)) {
		return nil, fmt.Errorf("%w: page %d lies behind its end", errDamaged, id)
	}
	if _, err := p.file.ReadAt(head, int64(id)*p.size); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if !slices.Contains(kinds, kindOf(head)) {
		return nil, fmt.Errorf("%w: page %d is of kind %d, where one of %v belongs", errDamaged, id, kindOf(head), kinds)
	}
	last := id + uint64(binary.NativeEndian.Uint32(head[pageOverflow:]))
	if last >= uint64(len(p.seen)) {
		return nil, fmt.Errorf("%w: page %d goes on behind its end", errDamaged, id)
	}
	for n := id; n <= last; n++ {
		if p.seen[n] {
			return nil, fmt.Errorf("%w: page %d is in use twice", errDamaged, n)
		}
		p.seen[n] = true
	}
	return head, nil
}
