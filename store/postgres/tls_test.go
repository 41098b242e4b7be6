package postgres

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/store/postgres/pgtest"
	"gopher-equalizer/store/storetest"
)

// serveTLS gives a cluster a certificate, which the server itself puts where it looks for it.
func serveTLS(t *testing.T, cluster *pgtest.Cluster) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)

	admin := pgtest.Connect(t, cluster.URL(""))
	run := func(sql string) {
		t.Helper()
		_, err := admin.Exec(context.Background(), sql)
		require.NoError(t, err)
	}
	for name, block := range map[string]*pem.Block{
		"server.crt": {Type: "CERTIFICATE", Bytes: cert},
		"server.key": {Type: "PRIVATE KEY", Bytes: der},
	} {
		run(fmt.Sprintf("COPY (SELECT unnest(string_to_array('%s', E'\n'))) TO PROGRAM 'cat >%s; chmod 600 %[2]s'", pem.EncodeToMemory(block), name))
	}
	run("ALTER SYSTEM SET ssl = on")
	run("SELECT pg_reload_conf()")
	t.Cleanup(func() { run("ALTER SYSTEM RESET ssl"); run("SELECT pg_reload_conf()") })
}

// A call that hangs is cut off over TLS, too.
func TestTLS(t *testing.T) {
	cluster := server.Cluster(t)
	o := at(t, cluster.URL("tls"))
	o.SSLMode = "require"
	early, err := New(o)
	require.NoError(t, err)
	_, _, err = early.Get(t.Context(), storetest.Keys("alice")[0])
	require.ErrorContains(t, err, "server refused TLS connection")
	require.NoError(t, early.Close())

	serveTLS(t, cluster)
	s := open(t, o) // which tries again, since the server reloads some time later
	encrypted := false
	require.NoError(t, s.session.conn.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&encrypted))
	require.True(t, encrypted)
	storetest.Write(t, s, put(storetest.Record("alice", 1)))

	require.NoError(t, cluster.Freeze())
	t.Cleanup(func() { require.NoError(t, cluster.Thaw()) })
	start := time.Now()
	_, _, err = s.Get(within(t, 100*time.Millisecond), storetest.Keys("alice")[0])
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), 3*time.Second)
	require.NoError(t, cluster.Thaw())
	require.Len(t, storetest.Load(t, s), 1)
}
