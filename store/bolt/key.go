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
const namespacesName = "namespaces"

func putNamespace(b *bbolt.Bucket, n limiter.Namespace) error {
	value := append(binary.AppendUvarint(nil, uint64(len(n.Limit))), n.Limit...)
	value = append(binary.AppendUvarint(value, uint64(len(n.Fingerprint))), n.Fingerprint...)
	value = binary.AppendVarint(value, microsOf(n.Stopped))
	value = binary.AppendVarint(value, microsOf(n.Left))
	return b.Put(binary.BigEndian.AppendUint32(nil, n.ID), value)
}

// namespacesIn are all of them, in the order of their IDs.
func namespacesIn(b *bbolt.Bucket) (all []limiter.Namespace, err error) {
	err = b.ForEach(func(key, value []byte) error {
		if len(key) != 4 {
			return fmt.Errorf("a namespace without a number: %w: %x", errValue, key)
		}
		d := decoder{rest: value}
		n := limiter.Namespace{ID: binary.BigEndian.Uint32(key), Limit: d.text(), Fingerprint: d.text()}
		n.Stopped, n.Left = timeOf(d.varint()), timeOf(d.varint())
		if d.failed || len(d.rest) > 0 {
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
