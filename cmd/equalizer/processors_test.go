package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"gopher-equalizer/config"
)

func TestFewProcs(t *testing.T) {
	assert.Equal(t, 1, fewProcs(config.StoreMemory))
	assert.Equal(t, 1, fewProcs(config.StorePostgres))
	assert.Equal(t, 2, fewProcs(config.StoreBolt))
}
