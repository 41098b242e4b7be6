// Package pgtest gives tests a real PostgreSQL server of their own, to stop, freeze and crash.
//
// A cluster is made in a temporary folder and serves a free port of 127.0.0.1, without fsync. It runs as
// an ordinary user if the test runs as root, which PostgreSQL refuses, and ends with the test, and
// with the test's process if that is killed.
package pgtest
