package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/store"
	"gopher-equalizer/store/blob"
)

// SQLSTATEs, https://www.postgresql.org/docs/current/errcodes-appendix.html. The first two
// characters are the class.
const (
	invalidPassword       = "28P01"
	invalidAuthorization  = "28000"
	undefinedDatabase     = "3D000"
	undefinedSchema       = "3F000"
	insufficientPrivilege = "42501"
	undefinedTable        = "42P01"
	readOnlyTransaction   = "25006"
	serializationFailure  = "40001"
	deadlockDetected      = "40P01"
	uniqueViolation       = "23505"
	duplicateSchema       = "42P06"
	duplicateTable        = "42P07"
	duplicateObject       = "42710"
	completionUnknown     = "40003"

	connectionClass    = "08"
	authorizationClass = "28"
	catalogClass       = "3D"
	schemaClass        = "3F"
	accessRuleClass    = "42" // something that a statement names is missing, forbidden, or there already
)

// errFinal is an error that retrying can't fix.
type errFinal struct{ error }

func (e errFinal) Unwrap() error { return e.error }

// IsFinal reports whether an error of New or Connect stays until somebody changes the configuration
// or the server: a wrong password, a missing database or privilege, a newer schema, or another
// writer that superseded this one.
func IsFinal(err error) bool {
	var final errFinal
	if errors.As(err, &final) || errors.Is(err, store.ErrSuperseded) {
		return true
	}
	switch class(code(err)) {
	case authorizationClass, catalogClass, schemaClass, accessRuleClass:
		return true
	}
	return false
}

// code is the SQLSTATE of a server's error, and "" for any other error.
func code(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// class is the class of a SQLSTATE, and "" for "".
func class(code string) string { return code[:min(2, len(code))] }

// doubtIn is the error that an error wraps if nobody knows the outcome; nil if somebody does.
func doubtIn(err error) error {
	for _, doubt := range []error{limiter.ErrInDoubt, lease.ErrInDoubt, blob.ErrInDoubt} {
		if errors.Is(err, doubt) {
			return doubt
		}
	}
	return nil
}

func isInDoubt(err error) bool { return doubtIn(err) != nil }

// isDuplicate reports whether another process made the same schema or table at the same moment.
func isDuplicate(err error) bool {
	switch code(err) {
	case uniqueViolation, duplicateSchema, duplicateTable, duplicateObject:
		return true
	}
	return false
}

// isRetryable reports whether a transaction was rolled back only because of other transactions.
func isRetryable(err error) bool {
	return !isInDoubt(err) && (code(err) == serializationFailure || code(err) == deadlockDetected)
}

// wrapf is fmt.Errorf("...: %w") of an error, and nil for nil.
func wrapf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}

// failure is an error with a text of its own.
type failure struct {
	text string
	err  error
}

func (f failure) Error() string { return f.text }
func (f failure) Unwrap() error { return f.err }

// explain adds to an error where it came from, on one line, and what to do about it if that is
// known. pgx's errors can't contain the password, since it isn't in the text that pgx parses.
func (s *Store) explain(err error) error { return s.o.explain(err) }

func (o Options) explain(err error) error {
	if err == nil {
		return nil
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if hint := o.hint(err); hint != "" {
		text += "; " + hint
	}
	return failure{fmt.Sprintf("postgres %s, schema %s: %s", o.database(), o.Schema, text), err}
}

// database is "host:port/dbname".
func (o Options) database() string {
	return net.JoinHostPort(o.Host, strconv.Itoa(o.Port)) + "/" + o.DBName
}

func (o Options) hint(err error) string {
	switch code(err) {
	case invalidPassword:
		return "check the user and the password"
	case invalidAuthorization:
		return "check the user, the sslmode, and the server's pg_hba.conf"
	case undefinedDatabase:
		return fmt.Sprintf("create it: CREATE DATABASE %q", o.DBName)
	case insufficientPrivilege, undefinedSchema:
		return fmt.Sprintf("the role %q needs CONNECT on the database, USAGE and CREATE on the schema, and to own what is in it", o.User)
	case readOnlyTransaction:
		return "this server only reads: is it a standby?"
	}
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, store.ErrHeld) {
		return "the server did not respond in time"
	}
	return ""
}
