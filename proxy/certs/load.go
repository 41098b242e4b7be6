package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/proxy/regular"
)

// maxFile is the largest file of certificates or keys, in bytes. All authorities that browsers know
// take a tenth of it.
const maxFile = 4 << 20

// Files are the PEM files of a certificate. Cert has the certificate itself first, and then the
// chain up to an authority that clients know. Key has its private key; "" stands for Cert.
type Files struct{ Cert, Key string }

func (f Files) key() string {
	if f.Key == "" {
		return f.Cert
	}
	return f.Key
}

// Certificate is a certificate with its chain and its key. It is immutable.
type Certificate struct {
	// Files are where it was read.
	Files Files
	pair  tls.Certificate
	chain []*x509.Certificate
}

// Load reads a certificate. It refuses what no handshake could use: a file without a certificate or
// a key, a key that isn't the certificate's, a kind of key that TLS doesn't know or that is too
// weak. Then the certificate is nil, and the faults are all that is wrong with the files, also what
// clients may refuse the certificate for: see Certificate.Faults. They show nothing of the key.
func Load(f Files) (*Certificate, Faults) {
	c, faults := read(f)
	if len(faults) == 0 {
		return c, nil
	}
	if len(c.chain) > 0 {
		faults = append(faults, c.Faults(time.Now())...)
	}
	return nil, faults
}

// read reads as much of a certificate as is there, and finds why no handshake could use it.
func read(f Files) (*Certificate, Faults) {
	c, faults := &Certificate{Files: f}, Faults{}
	text, err := regular.Read(f.Cert, maxFile)
	if err != nil {
		faults.add(false, "%v", err)
	} else if c.chain, err = ParseCertificates(text); err != nil {
		faults.add(false, "%s: %v", f.Cert, err)
	} else if err = checkKeyKind(c.chain[0].PublicKey); err != nil {
		faults.add(false, "%s: %v", f.Cert, err)
	}
	if f.key() != f.Cert {
		if text, err = regular.Read(f.key(), maxFile); err != nil {
			faults.add(true, "%v", err)
		}
	}
	if text == nil {
		return c, faults
	}
	key, err := parseKey(text)
	if err != nil {
		faults.add(true, "%s: %v", f.key(), err)
	} else if len(c.chain) > 0 {
		c.join(key, &faults)
	}
	return c, faults
}

// join makes a pair of the chain and the key, if it is the certificate's.
func (c *Certificate) join(key crypto.Signer, faults *Faults) {
	leaf := c.chain[0]
	if public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(key.Public()) {
		faults.add(true, "%s: its key isn't that of the certificate in %s, which is for %s and good from %s to %s; want the two that were made together",
			c.Files.key(), c.Files.Cert, describe(leaf), day(leaf.NotBefore), day(leaf.NotAfter))
	}
	c.pair = tls.Certificate{PrivateKey: key, Leaf: leaf}
	for _, cert := range c.chain {
		c.pair.Certificate = append(c.pair.Certificate, cert.Raw)
	}
}

// blocksOf reads the blocks of a PEM file. It refuses one that can't be read, which pem.Decode
// passes over like the text between blocks.
func blocksOf(text []byte) (blocks []*pem.Block, err error) {
	begin := []byte("-----BEGIN")
	for rest := text; ; {
		block, behind := pem.Decode(rest)
		read := rest[:len(rest)-len(behind)]
		begun, whole := bytes.Count(read, begin), 1
		if block == nil {
			begun, whole = bytes.Count(rest, begin), 0
		}
		if begun > whole {
			at := len(text) - len(rest) + bytes.Index(rest, begin)
			return nil, fmt.Errorf("the PEM block that begins on line %d can't be read; want it whole, with -----BEGIN and -----END at the start of a line, and no byte order mark",
				1+bytes.Count(text[:at], []byte("\n")))
		}
		if block == nil {
			return blocks, nil
		}
		blocks, rest = append(blocks, block), behind
	}
}

// ParseCertificates reads the certificates of a PEM file, in their order. Other blocks are passed
// over, but no damaged ones.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	blocks, err := blocksOf(text)
	if err != nil {
		return nil, err
	}
	var chain []*x509.Certificate
	for _, block := range blocks {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it: %w", len(chain)+1, err)
		}
		chain = append(chain, cert)
	}
	if len(chain) == 0 {
		return nil, errors.New("there is no certificate in it; want PEM, -----BEGIN CERTIFICATE-----")
	}
	return chain, nil
}

var errEncrypted = errors.New("its key is encrypted, and nobody is there to be asked for the passphrase; want it in clear, in a file that only this user can read")

// parseKey reads the first private key of a PEM file. Other blocks are passed over, but no damaged
// ones.
func parseKey(text []byte) (crypto.Signer, error) {
	blocks, err := blocksOf(text)
	if err != nil {
		return nil, err
	}
	for _, block := range blocks {
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, errEncrypted
		case block.Type == "PRIVATE KEY", strings.HasSuffix(block.Type, " PRIVATE KEY"):
			return parseKeyBlock(block)
		}
	}
	return nil, errors.New("there is no private key in it; want PEM, -----BEGIN PRIVATE KEY-----")
}

// parseKeyBlock reads a key by its block's type, as openssl writes them.
func parseKeyBlock(block *pem.Block) (key crypto.Signer, err error) {
	var any any
	switch block.Type {
	case "RSA PRIVATE KEY":
		any, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		any, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		any, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("its private key can't be read: %w", err)
	}
	key, ok := any.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("its private key, %T, can't sign; want an ECDSA or RSA one", any)
	}
	return key, nil
}

// minRSA is the size in bits of the smallest RSA key that browsers take.
const minRSA = 2048

// curves are the curves of ECDSA keys that TLS 1.3 knows.
var curves = []string{"P-256", "P-384", "P-521"}

// checkKeyKind refuses the kinds of keys that no client takes.
func checkKeyKind(public any) error {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return fmt.Errorf("its RSA key has %d bits; want %d or more, or an ECDSA key on P-256", key.N.BitLen(), minRSA)
		}
	case *ecdsa.PublicKey:
		if name := key.Params().Name; !slices.Contains(curves, name) {
			return fmt.Errorf("its ECDSA key is on the curve %s; want one of %s", name, strings.Join(curves, ", "))
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("its key is of a kind that TLS doesn't know, %T; want an ECDSA or RSA one", public)
	}
	return nil
}

// keyKind names the kind of a key: "ECDSA P-256", "RSA 2048", "Ed25519".
func keyKind(public any) string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Params().Name
	}
	return "Ed25519"
}

// namesOf are the hosts and addresses that a certificate is for.
func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// describe names what a certificate is for.
func describe(c *x509.Certificate) string {
	names := namesOf(c)
	if len(names) == 0 {
		return "no host (its subject is " + c.Subject.String() + ")"
	}
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
