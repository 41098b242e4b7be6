package main

import (
	"strings"
	"sync"
	"time"

	"gopher-equalizer/api"
)

// reloadHistory is how reloads went, for GET /status.
type reloadHistory struct {
	mu sync.Mutex
	is api.ReloadsStatus
}

// note counts a reload that has ended.
func (h *reloadHistory) note(at time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.is.LastAt, h.is.Mistakes = api.Moment{Time: at}, nil
	if err == nil {
		h.is.Done++
		return
	}
	h.is.Failed++
	h.is.Mistakes = strings.Split(err.Error(), "\n")
}

func (h *reloadHistory) status() api.ReloadsStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.is
}
