package memory_test

import (
	"context"
	"testing"

	"gopher-equalizer/store"
	"gopher-equalizer/store/blobtest"
	"gopher-equalizer/store/memory"
)

func TestBlobs(t *testing.T) {
	blobtest.Run(t, func(*testing.T) blobtest.Place {
		return blobtest.Place{Open: func(context.Context) (store.Blobs, error) { return memory.NewBlobs(), nil }}
	})
}
