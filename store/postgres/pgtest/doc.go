// Package pgtest gives tests a real PostgreSQL server, to use, stop, freeze and crash.
//
// A cluster is made in a temporary folder and serves a port of 127.0.0.1, without fsync: what it
// stores survives its own crash, but not the machine's. It doesn't vacuum by itself, which would
// keep dead rows for a moment that no test chose. It runs as an ordinary user if the test runs as
// root, which PostgreSQL refuses, and it ends with the tests, also if these are killed.
//
//	var server pgtest.Server
//
//	func TestMain(m *testing.M) {
//		code := m.Run()
//		server.Close()
//		os.Exit(code)
//	}
//
// Tests that only need a database ask the Server for a Schema: in a cluster that the tests of a
// binary share, or on the server that EnvURL names. Tests that stop, freeze or crash a server use a
// Cluster even if EnvURL is set, since they must not do that to somebody else's server.
package pgtest
