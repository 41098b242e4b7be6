package acme

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// Answer returns the body of the response to an authority's request for a path, without its
// query, at a host without its port. ok is false if no such challenge is known. It may
// ask the store, and wait for that.
func (m *Manager) Answer(host, path string) (body string, ok bool) {
	c, ok := m.challenge(strings.ToLower(host))
	if !ok || c.Type != acme.ChallengeTypeHTTP01 || c.HTTP01ResourcePath() != path {
		return "", false
	}
	m.log.Debug().Str("domain", host).Str("challenge", c.Type).Msg("an authority looked")
	return c.KeyAuthorization, true
}

var errNoChallenge = errors.New("no challenge for the domain is known")

// Proof returns the certificate that an authority is to find in the handshake of a challenge for a
// name. It fails if no such challenge is known. It may ask the store, and wait for that.
func (m *Manager) Proof(name string) (*tls.Certificate, error) {
	name = strings.ToLower(name)
	c, ok := m.challenge(name)
	if !ok || c.Type != acme.ChallengeTypeTLSALPN01 {
		return nil, errNoChallenge
	}
	m.log.Debug().Str("domain", name).Str("challenge", c.Type).Msg("an authority looked")
	return acmez.TLSALPN01ChallengeCert(c)
}

// challenge returns the challenge that was asked for by this process, or by another one with the
// same store.
func (m *Manager) challenge(host string) (c acme.Challenge, ok bool) {
	if own, ok := certmagic.GetACMEChallenge(host); ok {
		return own.Challenge, true
	}
	config := m.config.Load()
	if config == nil || !config.wants(host) {
		return acme.Challenge{}, false
	}
	return m.lookups.find(m.ctx, host)
}

// stored returns the challenges of hosts that are in the store. It reads no more than there are.
func (m *Manager) stored(ctx context.Context, hosts map[string]bool) map[string]acme.Challenge {
	found, config := map[string]acme.Challenge{}, m.config.Load()
	for _, directory := range []string{config.issuer.CA, config.issuer.TestCA} {
		keys, err := m.storage.List(ctx, challengeFolder(directory), false)
		if err != nil {
			continue // There are none, or the store is away.
		}
		for host := range hosts {
			var c acme.Challenge
			key := challengeKey(directory, host)
			if _, known := found[host]; known || !slices.Contains(keys, key) {
				continue
			}
			if value, err := m.storage.Load(ctx, key); err == nil && json.Unmarshal(value, &c) == nil {
				found[host] = c
			}
		}
	}
	return found
}

// challengeFolder and challengeKey are where certmagic keeps challenges.
func challengeFolder(directory string) string {
	issuer := (&certmagic.ACMEIssuer{CA: directory}).IssuerKey()
	return path.Join("acme", certmagic.StorageKeys.Safe(issuer), "challenge_tokens")
}

func challengeKey(directory, host string) string {
	return path.Join(challengeFolder(directory), certmagic.StorageKeys.Safe(host)+".json")
}
