package config

import "time"

// Outputs, formats and times of a Log.
const (
	LogStderr = "stderr" // standard error
	LogSyslog = "syslog" // the machine's syslog; any other output is a file

	LogJSON     = "json"     // one object a line
	LogConsole  = "console"  // for people
	LogCombined = "combined" // that of Apache and nginx, for requests; other lines are JSON

	LogText = "text" // RFC 3339
	LogUnix = "unix" // seconds since 1970
)

// Log is what is logged.
type Log struct {
	// Level is the lowest level that is logged: debug, info, warn or error.
	Level string `toml:"level" default:"info" enum:"debug,info,warn,error"`
	// Format is LogJSON, LogConsole or LogCombined.
	Format string `toml:"format" default:"json" enum:"json,console,combined"`
	// Output is LogStderr, LogSyslog or the path of a file, which is opened anew at SIGUSR1 and at
	// each reload. With LogCombined it gets the lines of requests, and standard error the others.
	Output string `toml:"output" default:"stderr"`
	// Time is LogText or LogUnix, for JSON.
	Time string `toml:"time" default:"text" enum:"text,unix"`
	// Access reports whether requests get lines. The following keys say which do.
	Access bool `toml:"access" default:"true"`
	// MinStatus is the lowest status of the requests that get a line.
	MinStatus int `toml:"min_status" default:"100" min:"100" max:"600"`
	// Slow has requests that take so long get a line, whatever their status is, and whatever Sample
	// is.
	Slow time.Duration `toml:"slow" or:"0s for none"`
	// Sample has one in so many of the other requests get a line.
	Sample int `toml:"sample" default:"1" min:"1" max:"1000000"`
	// Headers are the fields of a request that its line in JSON has.
	Headers []string `toml:"headers"`
	// Mask are the query parameters whose values no line has.
	Mask []string `toml:"mask" default:"token,access_token,key,code,sig,password"`
}
