package loglines

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
	"unicode/utf8"
)

// Syslog is an output that has each line be a message of this machine's syslog, in the form in
// which programs send them to its socket. What isn't ASCII in a line is written as JSON may write
// it. Only one goroutine may use it.
type Syslog struct {
	path string
	tag  string
	conn net.Conn // nil until a write, and after one that failed
	buf  []byte
}

// SyslogSocket is where the system's syslog takes messages.
const SyslogSocket = "/dev/log"

// DialSyslog connects to the syslog at a socket. The error is why there is none.
func DialSyslog(path string) (*Syslog, error) {
	s := &Syslog{path: path, tag: fmt.Sprintf(" %s[%d]: ", filepath.Base(os.Args[0]), os.Getpid())}
	return s, s.connect()
}

func (s *Syslog) connect() (err error) {
	if s.conn == nil {
		s.conn, err = net.Dial("unixgram", s.path)
	}
	return err
}

// Write sends some lines. If syslog was started again meanwhile, it connects anew.
func (s *Syslog) Write(lines []byte) (n int, err error) {
	for line := range bytes.Lines(lines) {
		if err := s.send(line); err != nil {
			if err = s.reconnect(); err != nil {
				return n, err
			}
			if err = s.send(line); err != nil {
				return n, err
			}
		}
		n += len(line)
	}
	return n, nil
}

func (s *Syslog) send(line []byte) error {
	if err := s.connect(); err != nil {
		return err
	}
	s.buf = s.appendMessage(s.buf[:0], line, time.Now())
	_, err := s.conn.Write(s.buf)
	return err
}

func (s *Syslog) reconnect() error {
	_ = s.Close()
	return s.connect()
}

// Close ends the connection.
func (s *Syslog) Close() error {
	if s.conn == nil {
		return nil
	}
	conn := s.conn
	s.conn = nil
	return conn.Close()
}

// appendMessage appends <PRIORITY>TIME TAG[PID]: LINE.
func (s *Syslog) appendMessage(dst, line []byte, now time.Time) []byte {
	const daemon = 3 << 3 // the facility
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, daemon|severityOf(line), 10)
	dst = append(dst, '>')
	dst = now.AppendFormat(dst, time.Stamp)
	dst = append(dst, s.tag...)
	return appendASCII(dst, bytes.TrimSuffix(line, newline))
}

// severityOf is the severity of a line (RFC 5424, section 6.2.1), which is a JSON object that
// begins with its level, or else about a request.
func severityOf(line []byte) int64 {
	const info, debug = 6, 7
	level, ok := bytes.CutPrefix(line, []byte(`{"level":"`))
	if !ok {
		return info
	}
	level, _, _ = bytes.Cut(level, []byte(`"`))
	switch string(level) {
	case "debug":
		return debug
	case "warn":
		return 4
	case "error":
		return 3
	case "fatal":
		return 2
	}
	return info
}

// appendASCII appends a line with \u escapes for what isn't printable ASCII. Outside of strings
// JSON has nothing else, and the other lines that there are have nothing else at all.
func appendASCII(dst, line []byte) []byte {
	for len(line) > 0 {
		if c := line[0]; c >= ' ' && c <= '~' {
			dst, line = append(dst, c), line[1:]
			continue
		}
		r, size := utf8.DecodeRune(line)
		line = line[size:]
		if r > 0xffff {
			r -= 0x10000
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			continue
		}
		dst = fmt.Appendf(dst, `\u%04x`, r)
	}
	return dst
}
