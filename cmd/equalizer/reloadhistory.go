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

// shownChanges is how many of a reload's changes are kept to be shown.
const shownChanges = 100

// note counts a reload that has ended.
func (h *reloadHistory) note(at time.Time, reloaded api.Reloaded, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.is.LastAt, h.is.Mistakes = api.Moment{Time: at}, nil
	if err == nil {
		h.is.Done++
		shown := min(len(reloaded.Changes), shownChanges)
		h.is.Changes, h.is.MoreChanges = reloaded.Changes[:shown:shown], len(reloaded.Changes)-shown
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
