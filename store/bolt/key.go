package bolt

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
)

// A row's key is its client_id in the first namespace. In any other it is a byte that UTF-8 has
// not, the namespace's number in 4 bytes, big endian, and the client_id. So keys are in the order
// of limiter.Key, and files of one limit only have no more in them than they had before there were
// namespaces.
const (
	firstNamespace = 1
	otherNamespace = 0xff
	namespaceSize  = 1 + 4
)

func appendKey(dst []byte, key limiter.Key) []byte {
	if key.Namespace != firstNamespace {
		dst = binary.BigEndian.AppendUint32(append(dst, otherNamespace), key.Namespace)
	}
	return append(dst, key.ClientID...)
}

func keySize(key limiter.Key) int { return namespaceSize + len(key.ClientID) }

// cutKey reads what appendKey wrote.
func cutKey(row []byte) (limiter.Key, error) {
	if row[0] != otherNamespace {
		return limiter.Key{Namespace: firstNamespace, ClientID: string(row)}, nil
	}
	if len(row) <= namespaceSize {
		return limiter.Key{}, fmt.Errorf("a row without a client_id: %w: %x", errValue, row)
	}
	namespace := binary.BigEndian.Uint32(row[1:])
	return limiter.Key{Namespace: namespace, ClientID: string(row[namespaceSize:])}, nil
}

// namespacesName is the bucket with the namespaces. A key is a number in 4 bytes, big endian. A
// value is, one after the other:
//
//	limit        uvarint, its length, and as many bytes
//	fingerprint  likewise
//	stopped      varint, Unix time in microseconds; 0 is the zero time
//	left         likewise
//	strict       varint, 0 or 1; a value of an earlier version ends before it
//	renumbered   as limit: JSON
const namespacesName = "namespaces"

func putNamespace(b *bbolt.Bucket, n limiter.Namespace) error {
	value := append(binary.AppendUvarint(nil, uint64(len(n.LimitName))), n.LimitName...)
	value = append(binary.AppendUvarint(value, uint64(len(n.Fingerprint))), n.Fingerprint...)
	value = binary.AppendVarint(value, microsOf(n.Stopped))
	value = binary.AppendVarint(value, microsOf(n.Left))
	strict := int64(0)
	if n.Strict {
		strict = 1
	}
	renumbered, err := n.MarshalRenumbered()
	if err != nil {
		return err
	}
	value = binary.AppendVarint(value, strict)
	value = append(binary.AppendUvarint(value, uint64(len(renumbered))), renumbered...)
	return b.Put(binary.BigEndian.AppendUint32(nil, n.ID), value)
}

// namespacesIn are all of them, in the order of their IDs.
func namespacesIn(b *bbolt.Bucket) (all []limiter.Namespace, err error) {
	err = b.ForEach(func(key, value []byte) error {
		if len(key) != 4 {
			return fmt.Errorf("a namespace without a number: %w: %x", errValue, key)
		}
		d := decoder{rest: value}
		n := limiter.Namespace{ID: binary.BigEndian.Uint32(key), LimitName: d.text(), Fingerprint: d.text()}
		n.Stopped, n.Left = timeOf(d.varint()), timeOf(d.varint())
		var err error
		if !d.failed && len(d.rest) > 0 {
			n.Strict = d.varint() == 1
			err = n.UnmarshalRenumbered([]byte(d.text()))
		}
		if d.failed || err != nil || len(d.rest) > 0 {
			return fmt.Errorf("namespace %d: %w: %x", n.ID, errValue, value)
		}
		all = append(all, n)
		return nil
	})
	return all, err
}

func microsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func timeOf(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
