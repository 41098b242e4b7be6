package config

import (
	"strconv"
	"strings"
)

func (r *report) admin(a Admin) {
	if network, path := Network(a.Listen); network == "unix" {
		r.socket("admin.listen", a.Listen, path)
	} else {
		r.listen("admin.listen", a.Listen)
	}
	r.token("admin.token", string(a.Token))
	r.token("admin.read_token", string(a.ReadToken))
	if a.ReadToken != "" && a.ReadToken == a.Token && !r.failed("admin.token") {
		r.add("admin.read_token", "is the same as admin.token, so who may read may do everything; want another one")
	}
	r.adminTLS(a)
	if listen, err := parseAddress(a.Listen, ""); err == nil && !listen.ip.IsLoopback() {
		r.elsewhere(a, listen.port)
	}
}

// token checks a bearer token without ever showing it. It allows only bytes that headers, shells
// and URL libraries pass on unchanged.
func (r *report) token(key, token string) {
	const shortest, longest = 16, 256
	switch {
	case token == "":
	case strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }):
		r.add(key, "has a space, a control or a non-ASCII character; want %d to %d visible ASCII characters", shortest, longest)
	case len(token) < shortest || len(token) > longest:
		r.add(key, "has %d characters; want %d to %d, such as what `openssl rand -hex 32` prints", len(token), shortest, longest)
	}
}

// socket checks the path of a listener's unix socket.
func (r *report) socket(key, text, path string) {
	if _, err := parseSocket(path); err != nil {
		r.add(key, "%s: %v; want unix:///PATH, such as \"unix:///run/equalizer/admin.sock\"", show(text), err)
	}
}

// adminTLS checks whether the certificate of the admin API means anything.
func (r *report) adminTLS(a Admin) {
	network, _ := Network(a.Listen)
	switch {
	case a.Cert == "" && a.Key != "":
		r.add("admin.key", "%s is of no use without its certificate; want admin.cert too", show(a.Key))
	case a.Cert != "" && network == "unix":
		r.add("admin.cert", "means nothing on a unix socket, which only this machine reaches; want an address HOST:PORT in admin.listen, or no admin.cert")
	case a.Cert != "" && a.Insecure:
		r.add("admin.insecure", "true means nothing with admin.cert, by which TLS is spoken; want one of the two")
	}
}

// elsewhere checks an admin API that other machines reach.
func (r *report) elsewhere(a Admin, port int) {
	var lacks, wants []string
	if a.Token == "" && a.ReadToken == "" && !r.failed("admin.token") && !r.failed("admin.read_token") {
		lacks = append(lacks, "there is no token")
		wants = append(wants, "a token in "+EnvAdminToken+" or admin.token")
	}
	if a.Cert == "" && !a.Insecure && !r.failed("admin.key") {
		lacks = append(lacks, "the token would cross the network in clear")
		wants = append(wants, "TLS by admin.cert and admin.key (or admin.insecure = true, if something else encrypts the way)")
	}
	if len(lacks) > 0 {
		r.add("admin.listen", "%s is not a loopback address, and %s; want %s, or 127.0.0.1:%s", show(a.Listen),
			strings.Join(lacks, ", and "), strings.Join(wants, ", and "), r.Shown("admin.listen", strconv.Itoa(port)))
	}
}
