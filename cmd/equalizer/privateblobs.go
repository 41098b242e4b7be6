package main

import (
	"os"
	"runtime"

	"gopher-equalizer/config"
	"gopher-equalizer/proxy/certs"
	"gopher-equalizer/proxy/certs/acme"
	"gopher-equalizer/store/seal"
)

// privateBlobs are where private keys are kept in a configured store. secret seals them; nil leaves
// them as they are.
func (p *process) privateBlobs(secret *seal.Secret) acme.Blobs {
	if secret != nil {
		return seal.New(p.overrides.blobs, secret)
	}
	return p.overrides.blobs
}

// secretOf is what private keys are sealed with in a configured store; nil is nothing.
func secretOf(s config.Store) (*seal.Secret, error) {
	if s.Driver != config.StorePostgres || s.Key == "" {
		return nil, nil
	}
	secret, err := seal.ParseSecret(string(s.Key))
	if err != nil {
		return nil, problem("store.key", "%v", err)
	}
	return secret, nil
}

// warnOfOpenStore finds a store's file that others can open although private keys are in it.
func warnOfOpenStore(c config.Config) []config.Problem {
	const others = 0o077
	issues := len(c.TLS.ACME.Domains) > 0 && c.TLS.ACME.Folder == ""
	if c.Store.Driver != config.StoreBolt || runtime.GOOS == "windows" || !issues && !c.TLS.KeepSessions {
		return nil
	}
	info, err := os.Stat(c.Store.Path)
	if err != nil || info.Mode().Perm()&others == 0 {
		return nil // A new file is for this user only.
	}
	return []config.Problem{{Key: "store.path", Text: "others on this machine can open the file, and private keys are in it; want chmod go= for it"}}
}

// warnOfOpenFolder finds a folder of issued certificates in which others can put files of theirs.
func warnOfOpenFolder(a config.ACME) []config.Problem {
	const others = 0o022
	if len(a.Domains) == 0 || a.Folder == "" || runtime.GOOS == "windows" {
		return nil
	}
	info, err := os.Stat(a.Folder)
	if err != nil || info.Mode().Perm()&others == 0 {
		return nil // A new folder is for this user only.
	}
	return []config.Problem{{Key: "tls.acme.folder", Text: "others on this machine can replace the certificates and private keys in the folder; want chmod go-w for it"}}
}

// keptSessions is where the keys of sessions are kept, as the configuration in force says.
func (p *process) keptSessions() certs.Kept { return p.current.Load().sessions }

// sessionsOf is where a configuration has the keys of sessions be kept, once its store is in use.
func (p *process) sessionsOf(c config.Config) certs.Kept {
	secret, err := secretOf(c.Store)
	if err != nil || !c.TLS.KeepSessions || p.overrides.blobs == nil {
		return certs.Kept{}
	}
	return certs.Kept{Blobs: p.privateBlobs(secret), Timeout: c.Store.Timeout}
}
