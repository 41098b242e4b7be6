package authority

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const (
	certificateType = "CERTIFICATE"
	keyType         = "PRIVATE KEY"
)

// load reads the authority in a folder; nil if there is none.
func load(folder string) (*Authority, error) {
	path := filepath.Join(folder, wholeFile)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows":
		return nil, fmt.Errorf("%s: other users of this machine could read the key in it; want nobody to trust it any more, and the folder removed", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a := &Authority{folder: folder}
	if err := a.parse(text); err != nil {
		return nil, fmt.Errorf("%s: %w; want the folder removed, for another authority", path, err)
	}
	return a, nil
}

// parse reads the certificate and the key of an authority.
func (a *Authority) parse(text []byte) error {
	certificate, rest := pem.Decode(text)
	if certificate == nil || certificate.Type != certificateType {
		return errors.New("it doesn't begin with a certificate")
	}
	private, _ := pem.Decode(rest)
	if private == nil || private.Type != keyType {
		return errors.New("there is no key behind the certificate")
	}
	var err error
	if a.cert, err = x509.ParseCertificate(certificate.Bytes); err != nil {
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(private.Bytes)
	if err != nil {
		return err
	}
	var ok bool
	if a.key, ok = key.(*ecdsa.PrivateKey); !ok || !a.key.PublicKey.Equal(a.cert.PublicKey) {
		return errors.New("the key isn't that of the certificate")
	}
	return nil
}

// keep writes a new authority to its folder, in place of the former one. Where there is none, it is
// that of a process that was faster.
func (a *Authority) keep(former *Authority) (*Authority, error) {
	if err := os.MkdirAll(a.folder, 0o700); err != nil {
		return nil, err
	}
	private, err := keyBlock(a.key)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(a.folder, wholeFile)
	blocks := []*pem.Block{certificateBlock(a.cert.Raw), private}
	if former != nil {
		return a, write(path, 0o600, blocks...)
	}
	temporary, err := writeTemporary(path, 0o600, blocks...)
	if err != nil {
		return nil, err
	}
	err = os.Link(temporary, path)
	if failed := os.Remove(temporary); failed != nil {
		return nil, failed
	}
	if errors.Is(err, fs.ErrExist) {
		return load(a.folder)
	}
	return a, err
}

// write writes a file whole, or not at all.
func write(path string, mode fs.FileMode, blocks ...*pem.Block) error {
	temporary, err := writeTemporary(path, mode, blocks...)
	if err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// writeTemporary writes a file beside another one, with a mode of its own.
func writeTemporary(path string, mode fs.FileMode, blocks ...*pem.Block) (temporary string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // It is of mode 0600.
	if err != nil {
		return "", err
	}
	var text []byte
	for _, block := range blocks {
		text = append(text, pem.EncodeToMemory(block)...)
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Close())
	if err == nil && mode != 0o600 {
		err = os.Chmod(file.Name(), mode)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

func certificateBlock(der []byte) *pem.Block { return &pem.Block{Type: certificateType, Bytes: der} }

func keyBlock(key *ecdsa.PrivateKey) (*pem.Block, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return &pem.Block{Type: keyType, Bytes: der}, err
}
