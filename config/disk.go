package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"gopher-equalizer/proxy/regular"
)

// disk is where the files are that a configuration names.
type disk interface {
	fs.StatFS
	fs.GlobFS
	fs.ReadDirFS
}

// realDisk takes the paths of the operating system. It opens regular files only.
type realDisk struct{}

func (realDisk) Open(path string) (fs.File, error)     { return regular.Open(path) }
func (realDisk) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }
func (realDisk) Glob(pattern string) ([]string, error) { return filepath.Glob(pattern) }

func (realDisk) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// maxText is the largest file that a value is read from. A configuration, the main one or one that
// is included, may be maxIncluded long.
const (
	maxText     = 64 * KiB
	maxIncluded = 4 * MiB
)

// readText reads the file of a value, without the line break that editors put at the end. The
// second result is how its permissions are.
func readText(d disk, path string) (string, fs.FileMode, error) {
	data, mode, err := readFile(d, path, maxText)
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if err == nil && !utf8.ValidString(text) {
		err = errors.New("it isn't UTF-8; want text in UTF-8")
	}
	return text, mode, err
}

// readFile reads a regular file of bounded size.
func readFile(d disk, path string, most Size) ([]byte, fs.FileMode, error) {
	file, err := d.Open(path)
	if err != nil {
		return nil, 0, withoutPath(err)
	}
	data, mode, err := regular.ReadFrom(file, int64(most))
	if err != nil {
		return nil, 0, withoutPath(err)
	}
	return data, mode, nil
}

// withoutPath is an error without the path, which the message has already.
func withoutPath(err error) error {
	if about := (*fs.PathError)(nil); errors.As(err, &about) {
		return about.Err
	}
	return err
}
