package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopher-equalizer/config"
	"gopher-equalizer/proxy/identity"
)

// needsNoRestart refuses what takes a restart. That is which store there is, while it is open, and
// that a limit's client_ids become secret. What issued certificates are kept in is open as long as
// there are any.
func needsNoRestart(from *inForce, to config.Loaded, storeIsOpen bool) error {
	if from == nil {
		return nil
	}
	issues := from.issuing != nil && len(to.Config.TLS.ACME.Domains) > 0
	inStore := storeIsOpen || issues && from.Config.TLS.ACME.Folder == ""
	var problems config.Problems
	for _, d := range config.Diff(from.Loaded, to) {
		if inStore && isFixed(d.Key) || issues && d.Key == "tls.acme.folder" {
			problems = append(problems, config.Problem{Key: d.Key, Text: "a store that is open can't change: restart, or put this back: " + d.String()})
		}
	}
	problems = append(problems, turnedSecret(from.Config, to.Config)...)
	problems = append(problems, rescoped(from.Config, to.Config)...)
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// turnedSecret are the limits whose client_ids are to be hashed from now on. Their rows can only be
// rewritten while nobody takes from their buckets.
func turnedSecret(from, to config.Config) (problems config.Problems) {
	for _, name := range slices.Sorted(maps.Keys(to.Limits)) {
		before, existed := from.Limits[name]
		if !existed {
			continue
		}
		was, errWas := identity.ParseKey(before.Key, before.Secret)
		is, errIs := identity.ParseKey(to.Limits[name].Key, to.Limits[name].Secret)
		plain, secret := is.PlainFingerprint()
		if errWas == nil && errIs == nil && secret && was.Fingerprint() == plain {
			problems = append(problems, config.Problem{
				Key: "limits." + name + ".secret", Text: "turning it on takes a restart, which keeps the buckets: restart, or put it back to false",
			})
		}
	}
	return problems
}

// rescoped are the limits whose buckets are to be shared from now on, or not any more. They are
// counted by other means then, which don't know what was spent.
func rescoped(from, to config.Config) (problems config.Problems) {
	for _, name := range slices.Sorted(maps.Keys(to.Limits)) {
		before, existed := from.Limits[name]
		if is := to.Limits[name].Scope; existed && before.Scope != is {
			problems = append(problems, config.Problem{
				Key:  "limits." + name + ".scope",
				Text: fmt.Sprintf("changing it takes a restart, behind which buckets are full: restart, or put it back to %q", before.Scope),
			})
		}
	}
	return problems
}

// isFixed reports whether a key is about which store there is.
func isFixed(key string) bool {
	name, ofStore := strings.CutPrefix(key, "store.")
	changing := []string{
		"flush_interval", "timeout", "connect_timeout", "limits_kept", "durability",
		"postgres.password", "postgres.password_file",
	}
	return ofStore && !slices.Contains(changing, name)
}
