package memory_test

import (
	"context"
	"testing"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/memory"
	"gopher-equalizer/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Place {
		return storetest.Place{Open: func(context.Context) (limiter.Store, error) { return memory.New(), nil }}
	})
}
