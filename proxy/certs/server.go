package certs

import (
	"crypto/tls"
	"strings"
	"sync"
	"weak"
)

// Server makes the TLS of clients' connections: a tls.Config for each policy and its protocols,
// with the certificates of a Store and ticket keys of its own. Its methods may be called
// concurrently.
type Server struct {
	*Store

	mu sync.Mutex
	// secrets are what ticket keys are derived from, the one in use first.
	secrets []secret
	// configs are those that are in use somewhere. A policy that a reload leaves as it is keeps its
	// config, and those of policies that are gone go with the connections that had them.
	configs map[configID]weak.Pointer[tls.Config]
}

// configID is what a config is made of. The keys of its tickets are the policy's: a session may be
// resumed with another protocol.
type configID struct {
	policyID
	protocols string
}

// NewServer makes a server with first certificates.
func NewServer(first *Set) *Server {
	return &Server{
		Store: NewStore(first), secrets: []secret{newSecret(now())}, configs: map[configID]weak.Pointer[tls.Config]{},
	}
}

// config returns the one of a policy, whose clients choose from protocols.
func (s *Server) config(p Policy, protocols []string) *tls.Config {
	id := configID{p.id(), strings.Join(protocols, ",")}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.configs[id].Value(); c != nil {
		return c
	}
	c := p.Config(s.Store, protocols)
	c.SetSessionTicketKeys(ticketKeys(s.secrets, id.policyID))
	s.configs[id] = weak.Make(c)
	return c
}

// useSecrets has sessions that begin from now on, and those that are resumed, use keys derived from
// other secrets.
func (s *Server) useSecrets(secrets []secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	secrets = inUse(secrets, now())
	s.secrets = secrets
	for id, pointer := range s.configs {
		if c := pointer.Value(); c != nil {
			c.SetSessionTicketKeys(ticketKeys(secrets, id.policyID))
		} else {
			delete(s.configs, id)
		}
	}
}
