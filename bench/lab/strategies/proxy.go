//go:build linux

package main

import (
	"embed"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/testbed"
)

//go:embed equalizer.toml haproxy.cfg
var files embed.FS

// site is what a configuration is made from.
type site struct {
	Listen, Admin, Strategy string
	Backends                []string
}

// start starts the proxy of a way.
func start(bed *testbed.Bed, w way, listen, admin string, backends []string) (*child.Process, error) {
	dir, err := bed.Folder()
	if err != nil {
		return nil, err
	}
	s := site{listen, admin, w.strategy, backends}
	if w.name == haproxy {
		path, err := exec.LookPath("haproxy")
		if err != nil {
			return nil, err
		}
		config, err := write(dir, "haproxy.cfg", s)
		if err != nil {
			return nil, err
		}
		return bed.Start(child.Program{Path: path, Args: []string{"-f", config, "-db"}, Dir: dir})
	}
	config, err := write(dir, "equalizer.toml", s)
	if err != nil {
		return nil, err
	}
	return bed.Start(child.Program{Path: bed.Program(testbed.Equalizer), Args: []string{"-c", config}, Dir: dir})
}

// write writes a configuration into a folder, and returns its path.
func write(dir, name string, s site) (string, error) {
	text, err := template.ParseFS(files, name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return path, text.Execute(file, s)
}

// ready reports whether requests come through.
func ready(address string) error {
	response, err := http.Get("http://" + address + "/health")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}
