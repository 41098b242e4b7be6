package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopher-equalizer/cmd/equalizer/internal/authority"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy/certs"
)

// demoSecureListen is where the demo speaks TLS.
const demoSecureListen = "127.0.0.1:8443"

// openAuthority takes the demo's own authority in a folder, or makes it. "" stands for a folder of
// this user.
func openAuthority(folder string) (*authority.Authority, error) {
	if folder == "" {
		base, err := os.UserConfigDir()
		if err != nil {
			return nil, fmt.Errorf("find a folder for the demo's authority: %w; want --authority FOLDER", err)
		}
		folder = filepath.Join(base, "gopher-equalizer", "demo")
	}
	folder, err := filepath.Abs(folder) // It is shown for use elsewhere.
	if err != nil {
		return nil, err
	}
	a, err := authority.Open(folder, time.Now())
	if err != nil {
		return nil, fmt.Errorf("the demo's authority: %w", err)
	}
	return a, nil
}

// secureDemo has clients speak TLS, with a certificate of an authority.
func secureDemo(c *config.Config, a *authority.Authority) error {
	file, err := a.Issue(time.Now())
	if err != nil {
		return fmt.Errorf("the demo's certificate: %w", err)
	}
	c.Listeners = []config.Listener{{Listen: c.Server.Listen, TLS: true, ClientAuth: string(certs.AuthOff)}}
	c.TLS.Certificates = []config.Certificate{{Cert: file, Default: true}}
	return nil
}

// secureURL is where the demo is reached by TLS. Its certificate is for localhost.
func secureURL(address string) string {
	_, port, _ := net.SplitHostPort(address) // A listener's address has one.
	return "https://" + net.JoinHostPort("localhost", port)
}

// shellQuoted is a text as a word of a shell.
func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// trustText is how to trust an authority on an operating system, and how to end that.
func trustText(a *authority.Authority, goos string) string {
	which := "as the last time"
	if a.Made() {
		which = "a new one, which nothing trusts yet"
	}
	steps := trustElsewhere
	switch goos {
	case "linux":
		steps = trustOnLinux
	case "darwin":
		steps = trustOnMacOS
	case "windows":
		steps = trustOnWindows
	}
	text := strings.Replace(trustSteps, "STEPS\n", steps, 1)
	return strings.NewReplacer("WHICH", which, "FOLDER", filepath.Dir(a.CertFile())).Replace(text)
}

// trustSteps is about the authority. $ca is its file, as the demo's text has set it.
const trustSteps = `The certificate is by an authority of the demo's own (WHICH), in
FOLDER
Whoever has its key can pose as localhost to those who trust it, and as nobody else. The first
command of each has more than curl trust it, the second ends that:

STEPS
  Firefox: Settings, Certificates, View Certificates, Authorities: Import, and Delete or Distrust

Once nothing trusts it any more, the folder can be removed.

`

const trustOnLinux = `  # Chromium and Chrome; certutil is in libnss3-tools or nss-tools
  mkdir -p "$HOME/.pki/nssdb" && certutil -d "sql:$HOME/.pki/nssdb" -A -t C,, -n gopher-equalizer-demo -i "$ca"
  certutil -d "sql:$HOME/.pki/nssdb" -D -n gopher-equalizer-demo

  # other programs, on Debian and Ubuntu
  sudo cp "$ca" /usr/local/share/ca-certificates/gopher-equalizer-demo.crt && sudo update-ca-certificates
  sudo rm /usr/local/share/ca-certificates/gopher-equalizer-demo.crt && sudo update-ca-certificates --fresh

  # other programs, on Fedora and RHEL
  sudo trust anchor "$ca"
  sudo trust anchor --remove "$ca"
`

const trustOnMacOS = `  # Safari, Chrome and other programs
  security add-trusted-cert -r trustRoot -k "$HOME/Library/Keychains/login.keychain-db" "$ca"
  security remove-trusted-cert "$ca" && security delete-certificate -c "` + authority.Name + `"
`

const trustOnWindows = `  rem Edge, Chrome and other programs
  certutil -user -addstore Root "FOLDER\ca.pem"
  certutil -user -delstore Root "` + authority.Name + `"
`

const trustElsewhere = `  Add "$ca" to the authorities that your system or your browser trusts, and take it out again.
`
