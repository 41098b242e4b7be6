package acme

import (
	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger makes certmagic's logger. What an operator has to know of certificates is logged by the
// Manager, so certmagic's own lines are for debugging.
func newLogger(log zerolog.Logger) *zap.Logger {
	return zap.New(core{log: log}).Named("acme")
}

// core is a zapcore.Core that writes to a zerolog.Logger.
type core struct {
	log    zerolog.Logger
	fields []zapcore.Field
}

// level is what a line's level is here. Those for debugging certmagic itself are below ours.
func level(of zapcore.Level) zerolog.Level {
	if of < zapcore.InfoLevel {
		return zerolog.TraceLevel
	}
	return zerolog.DebugLevel
}

// Enabled implements zapcore.Core.
func (c core) Enabled(of zapcore.Level) bool { return level(of) >= c.log.GetLevel() }

// With implements zapcore.Core.
func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{c.log, append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

// Check implements zapcore.Core.
func (c core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(e.Level) {
		return checked
	}
	return checked.AddCore(e, c)
}

// Write implements zapcore.Core.
func (c core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range append(c.fields[:len(c.fields):len(c.fields)], fields...) {
		f.AddTo(values)
	}
	c.log.WithLevel(level(e.Level)).Str("logger", e.LoggerName).Fields(values.Fields).Msg(e.Message)
	return nil
}

// Sync implements zapcore.Core.
func (c core) Sync() error { return nil }
