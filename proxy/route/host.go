package route

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"gopher-equalizer/proxy/http1"
)

// maxHost is how long a host's name may be (RFC 1035, section 2.3.4).
const maxHost = 253

// Host is the host that a route is for. The zero value is any host.
type Host struct {
	// name is as AppendHost writes it; "" is any host.
	name string
	// below reports that the route is for the hosts below name, at any depth, and not for name
	// itself.
	below bool
}

// ParseHost reads a host: "api.example.com" or "192.0.2.1" or "[2001:db8::1]", exactly that one;
// "*.example.com", every host below that one; "", any host. Case and a dot at the end make no
// difference. The error names text and what was wanted.
func ParseHost(text string) (Host, error) {
	name, below := strings.CutPrefix(text, "*.")
	if text == "" {
		return Host{}, nil
	}
	if err := checkHost(name); err != nil {
		return Host{}, fmt.Errorf("unexpected host %q: %w", text, err)
	}
	if below && name[0] == '[' {
		return Host{}, fmt.Errorf("unexpected host %q: no host is below an address; want a name", text)
	}
	return Host{name: string(AppendHost(nil, []byte(name))), below: below}, nil
}

func checkHost(name string) error {
	if strings.HasPrefix(name, "[") {
		addr, err := netip.ParseAddr(strings.TrimSuffix(name[1:], "]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" || !strings.HasSuffix(name, "]") {
			return errors.New("want an IPv6 address in brackets, such as [2001:db8::1], without a port")
		}
		return nil
	}
	if addr, err := netip.ParseAddr(name); err == nil && addr.Is6() {
		return errors.New("want an IPv6 address in brackets, such as [2001:db8::1]")
	}
	switch {
	case strings.Contains(name, "*"):
		return errors.New("want * only as the whole first label, as in *.example.com, or no host for any")
	case strings.Contains(name, "/"):
		return errors.New("want a host alone, without a scheme or a path")
	case strings.Contains(name, ":"):
		return errors.New("want a host without a port: a route is for all ports")
	case len(name) > maxHost:
		return fmt.Errorf("want at most %d bytes", maxHost)
	}
	return checkLabels(strings.TrimSuffix(name, "."))
}

func checkLabels(name string) error {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" {
			return errors.New("want no empty label between dots")
		}
		for _, c := range label {
			if c >= 0x80 {
				return errors.New("want the ASCII form of an international name, as in xn--4ca.example")
			}
			if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return errors.New("want letters, digits, hyphens, underscores and dots")
			}
		}
	}
	return nil
}

// String writes the host as ParseHost reads it.
func (h Host) String() string {
	if h.below {
		return "*." + h.name
	}
	return h.name
}

// IsAny reports whether a route is for any host.
func (h Host) IsAny() bool { return h.name == "" }

// Exact returns the only host that a route is for. ok is false if there are others.
func (h Host) Exact() (name string, ok bool) { return h.name, h.name != "" && !h.below }

// AppendHost writes the host of a request, as http1.Request.Host has it, in the form in which hosts
// are compared: in lower case, without a port, without a dot at the end; IPv6 in its shortest form.
func AppendHost(dst, host []byte) []byte {
	name := withoutPort(host)
	if len(name) > 1 && name[0] == '[' {
		if addr, err := netip.ParseAddr(http1.Text(name[1 : len(name)-1])); err == nil {
			return append(addr.AppendTo(append(dst, '[')), ']')
		}
	}
	for _, c := range bytes.TrimSuffix(name, dot) {
		dst = append(dst, http1.ToLower(c))
	}
	return dst
}

var dot = []byte(".")

// withoutPort cuts off a colon and what follows it, except within brackets.
func withoutPort(host []byte) []byte {
	from := bytes.IndexByte(host, ']') + 1
	if i := bytes.IndexByte(host[from:], ':'); i >= 0 {
		return host[:from+i]
	}
	return host
}

// hosts are the trees of a table by host.
type hosts struct {
	exact map[string]*tree
	below labels
	any   *tree
}

// labels is a domain: the trees of the hosts below it, and its subdomains by their labels.
type labels struct {
	hosts *tree
	subs  map[string]*labels
}

// tree returns the tree for h, which is made if there is none yet.
func (s *hosts) tree(h Host) *tree {
	switch {
	case h.below:
		return made(&s.below.at(h.name).hosts)
	case h.IsAny():
		return made(&s.any)
	}
	t := s.exact[h.name]
	s.exact[h.name] = made(&t)
	return t
}

func made(t **tree) *tree {
	if *t == nil {
		*t = &tree{}
	}
	return *t
}

// at returns the domain of a name, which is made if there is none yet.
func (l *labels) at(name string) *labels {
	rest, label := cutLabel(name)
	if l.subs == nil {
		l.subs = map[string]*labels{}
	}
	sub := l.subs[label]
	if sub == nil {
		sub = &labels{}
		l.subs[label] = sub
	}
	if rest == "" {
		return sub
	}
	return sub.at(rest)
}

// cutLabel cuts off a name's last label.
func cutLabel(name string) (rest, label string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], name[i+1:]
}

// find returns the tree that a request's host chooses; nil if there is none.
func (s *hosts) find(host []byte) *tree {
	if len(s.exact) == 0 && s.below.subs == nil {
		return s.any
	}
	// The end of a host shows what it is below. This much of a longer one is no configured name.
	var buffer [maxHost + 2]byte
	name := withoutPort(host)
	name = name[max(0, len(name)-len(buffer)):]
	text := http1.Text(AppendHost(buffer[:0], name))
	if t := s.exact[text]; t != nil {
		return t
	}
	if t := s.below.find(text); t != nil {
		return t
	}
	return s.any
}

// find returns the tree of the longest suffix of name, that name is below.
func (l *labels) find(name string) (found *tree) {
	for name != "" && l.subs != nil {
		var label string
		name, label = cutLabel(name)
		if l = l.subs[label]; l == nil {
			return found
		}
		if name != "" && l.hosts != nil {
			found = l.hosts
		}
	}
	return found
}
