package main

import "gopher-equalizer/config"

// runSchema is `equalizer schema`: it prints the JSON Schema of the configuration, for editors.
func runSchema(args []string, t terminal) error {
	if err := parse(newFlags("schema", usage, t.stdout), args); err != nil {
		return err
	}
	_, err := t.stdout.Write(config.Schema())
	return err
}
