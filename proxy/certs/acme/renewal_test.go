package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/store/blob"
	"gopher-equalizer/store/memory"
)

// issuer is an authority within the process. Its first certificate is due at once, and the others
// in some weeks.
type issuer struct {
	key    *ecdsa.PrivateKey
	issued atomic.Int64
	// asked is called before it tells when to renew a certificate.
	asked func()
}

func newIssuer(t *testing.T, asked func()) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return &issuer{key: key, asked: asked}
}

// IssuerKey implements certmagic.Issuer.
func (*issuer) IssuerKey() string { return "issuer.test" }

// Issue implements certmagic.Issuer.
func (i *issuer) Issue(_ context.Context, r *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	number, now := i.issued.Add(1), time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(number), DNSNames: r.DNSNames,
		NotBefore: now, NotAfter: now.Add(90 * 24 * time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, r.PublicKey, i.key)
	if err != nil {
		return nil, err
	}
	// When to renew the first one is to be asked again at once.
	start, again := now.Add(60*24*time.Hour), now.Add(6*time.Hour)
	if number == 1 {
		start, again = now.Add(-time.Hour), now.Add(-time.Hour)
	}
	info := due(start, again)
	return &certmagic.IssuedCertificate{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}),
		Metadata:    acme.Certificate{RenewalInfo: &info},
	}, nil
}

// GetRenewalInfo implements certmagic.RenewalInfoGetter. Whichever certificate it is asked about is
// due.
func (i *issuer) GetRenewalInfo(context.Context, certmagic.Certificate) (acme.RenewalInfo, error) {
	i.asked()
	return due(time.Now().Add(-time.Hour), time.Now().Add(6*time.Hour)), nil
}

// due is that a certificate is due at start, and that this may be asked for again at again.
func due(start, again time.Time) (info acme.RenewalInfo) {
	info.SuggestedWindow.Start, info.SuggestedWindow.End = start, start.Add(time.Minute)
	info.SelectedTime, info.RetryAfter = start, &again
	return info
}

// refusing are blobs that tell when an attempt to take a domain's lock, or that of its order, is
// refused.
type refusing struct {
	Blobs
	refused chan struct{}
}

func (b refusing) Lock(ctx context.Context, name, owner string, ttl time.Duration) error {
	err := b.Blobs.Lock(ctx, name, owner, ttl)
	if errors.Is(err, blob.ErrLocked) && !strings.HasPrefix(name, prefix+"ari_") {
		select {
		case b.refused <- struct{}{}:
		default:
		}
	}
	return err
}

// process is a manager with its only domain, whose certificates are from an issuer. Nothing runs
// behind it but what is called.
func process(t *testing.T, blobs Blobs, from certmagic.Issuer) (m *Manager, d *domain) {
	t.Helper()
	m = manager(t, blobs, zerolog.Nop())
	m.storage.(*storage).locks.poll = time.Millisecond
	c := &config{settings: Settings{Domains: []string{"one.test"}, CA: directory}}
	m.configure(c)
	c.Issuers = []certmagic.Issuer{from}
	d = &domain{name: "one.test", config: c, cancel: func() {}}
	m.domains[d.name] = d
	m.config.Store(c)
	return m, d
}

// A process that asks when to renew a certificate while another one would renew it doesn't have it
// be renewed twice.
func TestRenewedOnce(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	from := newIssuer(t, func() {
		asked <- struct{}{}
		<-goOn
	})
	blobs := refusing{memory.NewBlobs(), make(chan struct{}, 1)}
	one, ofOne := process(t, blobs, from)
	two, ofTwo := process(t, blobs, from)
	refresh := func(m *Manager, d *domain) <-chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := m.refresh(t.Context(), d, 0)
			ended <- err
		}()
		return ended
	}
	require.NoError(t, <-refresh(one, ofOne))
	require.EqualValues(t, 1, from.issued.Load())

	endOfTwo := refresh(two, ofTwo)
	<-asked
	endOfOne := refresh(one, ofOne)
	select {
	case err := <-endOfOne:
		t.Error("a process didn't await its turn", err)
	case <-blobs.refused:
	}
	close(goOn)
	require.NoError(t, <-endOfTwo)
	if !t.Failed() {
		require.NoError(t, <-endOfOne)
	}
	assert.EqualValues(t, 2, from.issued.Load(), "certificates")
	for _, m := range []*Manager{one, two} {
		assert.EqualValues(t, 2, m.Status()[0].Certificate.SerialNumber.Int64())
	}
}

// A process that is killed while it stores a renewed certificate leaves its key beside the former
// certificate. The next one orders another.
func TestATornPairIsRenewed(t *testing.T) {
	from := newIssuer(t, func() {})
	blobs := memory.NewBlobs()
	one, ofOne := process(t, blobs, from)
	_, err := one.refresh(t.Context(), ofOne, 0)
	require.NoError(t, err)
	require.EqualValues(t, 1, from.issued.Load())

	raw, err := x509.MarshalECPrivateKey(from.key)
	require.NoError(t, err)
	another := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})
	require.NoError(t, one.storage.Store(t.Context(), certmagic.StorageKeys.SitePrivateKey(from.IssuerKey(), "one.test"), another))

	two, ofTwo := process(t, blobs, from)
	life, err := two.refresh(t.Context(), ofTwo, 0)
	require.NoError(t, err)
	assert.Positive(t, life)
	assert.EqualValues(t, 2, from.issued.Load())
	assert.EqualValues(t, 2, two.Status()[0].Certificate.SerialNumber.Int64())
}
