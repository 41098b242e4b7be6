package bolt

import (
	"os"
	"strings"

	"gopher-equalizer/store"
)

// holderPath is a file next to the store's that names the process that holds it. It is for error
// messages only, since a lock doesn't name its owner. bbolt's lock decides.
func holderPath(path string) string { return path + ".holder" }

func (s *Store) writeHolder() error {
	return os.WriteFile(holderPath(s.o.Path), []byte(store.Self().String()+"\n"), 0o600)
}

// readHolder is the process that holds the file, if the holder's file names one.
func readHolder(path string) string {
	text, err := os.ReadFile(holderPath(path))
	line, _, _ := strings.Cut(string(text), "\n")
	if err != nil || line == "" {
		return "it does not say which"
	}
	return line
}

func removeHolder(path string) { _ = os.Remove(holderPath(path)) }
