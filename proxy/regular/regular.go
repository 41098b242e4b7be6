// Package regular reads regular files of bounded size. Anything else that a name may stand for,
// such as a pipe or a device, could block whoever reads it, or never end.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrNotRegular is that a name stands for something else than a regular file.
var ErrNotRegular = errors.New("it is no regular file; want one")

// Open opens a regular file for reading. It doesn't wait for anything that is none. The error is an
// *fs.PathError.
func Open(path string) (*os.File, error) {
	// Opening alone can have effects, such as on a pipe that somebody waits to write to.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	file, err := os.OpenFile(path, os.O_RDONLY|nonblocking, 0)
	if err != nil {
		return nil, err
	}
	if _, err := check(file); err != nil { // It was replaced since.
		return nil, errors.Join(&fs.PathError{Op: "open", Path: path, Err: err}, file.Close())
	}
	return file, nil
}

// check returns what is known of an open file that is regular.
func check(file fs.File) (fs.FileInfo, error) {
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotRegular
	}
	return info, err
}

// Read returns the content of a regular file of at most so many bytes. The error is an
// *fs.PathError.
func Read(path string, most int64) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	data, _, err := ReadFrom(file, most)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return data, nil
}

// ReadFrom is Read of an open file, which it closes. It also returns the file's mode. The error
// names no path, unless the operating system's does.
func ReadFrom(file fs.File, most int64) ([]byte, fs.FileMode, error) {
	info, err := check(file)
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	switch err := errors.Join(err, file.Close()); {
	case err != nil:
		return nil, 0, err
	case int64(len(data)) > most:
		return nil, 0, fmt.Errorf("it has more than %s; want at most that", size(most))
	}
	return data, info.Mode(), nil
}

// size is a number of bytes as people write it: "4MiB".
func size(n int64) string {
	const kib, mib = 1 << 10, 1 << 20
	switch {
	case n%mib == 0:
		return fmt.Sprintf("%dMiB", n/mib)
	case n%kib == 0:
		return fmt.Sprintf("%dKiB", n/kib)
	}
	return fmt.Sprintf("%d bytes", n)
}
