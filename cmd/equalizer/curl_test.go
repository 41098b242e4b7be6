package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// curlName is a name under which this test binary is curl, as far as the README uses it, so that
// the tour needs none on the machine.
const curlName = "curl"

// withTools is the environment variable by which a shell finds this test binary as curl, and the
// binary under test as equalizer.
func withTools(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	this, err := filepath.Abs(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.Symlink(this, filepath.Join(dir, curlName)))
	require.NoError(t, os.Symlink(binary, filepath.Join(dir, "equalizer")))
	return "PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH")
}

// curl is one call.
type curl struct {
	method, body, output, format string
	header                       []string
	include                      bool
	urls                         []string
	// authority is the file of --cacert.
	authority string
}

// runCurl is curl's main. It returns 0, or 2 for what it can't do.
func runCurl(args []string, stdout io.Writer) int {
	c, err := parseCurl(args)
	for i := 0; err == nil && i < len(c.urls); i++ {
		err = c.fetch(c.urls[i], stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "curl:", err)
		return 2
	}
	return 0
}

func parseCurl(args []string) (c curl, err error) {
	for len(args) > 0 {
		option := args[0]
		args = args[1:]
		into := map[string]*string{"-X": &c.method, "-d": &c.body, "-o": &c.output, "-w": &c.format, "--cacert": &c.authority}[option]
		switch {
		case option == "-s":
		case option == "-i":
			c.include = true
		case !strings.HasPrefix(option, "-"):
			c.urls = append(c.urls, option)
		case len(args) == 0 || into == nil && option != "-H":
			return curl{}, fmt.Errorf("the tests' own has no option %s, or no value for it", option)
		case into != nil:
			*into, args = args[0], args[1:]
		default:
			c.header, args = append(c.header, args[0]), args[1:]
		}
	}
	if len(c.urls) == 0 {
		return curl{}, errors.New("no URL")
	}
	return c, nil
}

func (c curl) fetch(target string, stdout io.Writer) error {
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	conn, err := c.dial(u)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, c.request(u)); err != nil {
		return err
	}
	head, status, body, err := readResponse(bufio.NewReader(conn))
	if err != nil {
		return err
	}
	if !c.include {
		head = nil
	}
	if c.output != "" {
		err = os.WriteFile(c.output, append(head, body...), 0o600)
	} else {
		_, err = stdout.Write(append(head, body...))
	}
	fmt.Fprint(stdout, strings.NewReplacer("%{http_code}", strconv.Itoa(status), `\n`, "\n").Replace(c.format))
	return err
}

// dial connects to a URL's host. By https it trusts --cacert alone.
func (c curl) dial(u *url.URL) (net.Conn, error) {
	if u.Scheme != "https" {
		return net.Dial("tcp", u.Host)
	}
	text, err := os.ReadFile(c.authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return tls.Dial("tcp", u.Host, &tls.Config{RootCAs: roots})
}

// request is as curl sends it.
func (c curl) request(u *url.URL) string {
	method := c.method
	if method == "" && c.body != "" {
		method = "POST"
	} else if method == "" {
		method = "GET"
	}
	lines := []string{method + " " + u.RequestURI() + " HTTP/1.1", "User-Agent: curl/8.14.1", "Accept: */*"}
	if !slices.ContainsFunc(c.header, func(line string) bool { return strings.HasPrefix(line, "Host:") }) {
		lines = slices.Insert(lines, 1, "Host: "+u.Host)
	}
	lines = append(lines, c.header...)
	if c.body != "" {
		lines = append(lines, "Content-Length: "+strconv.Itoa(len(c.body)))
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + c.body
}

// readResponse reads a response whose header is to be shown as it came.
func readResponse(from *bufio.Reader) (head []byte, status int, body []byte, err error) {
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		line, err := from.ReadBytes('\n')
		if err != nil {
			return nil, 0, nil, err
		}
		head = append(head, line...)
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(head), from)), nil)
	if err != nil {
		return nil, 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return head, resp.StatusCode, body, err
}

// The tests' curl does what the real one does with the options that the README uses.
func TestCurl(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	requests := make(chan string, 9)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(conn)
			line, _ := r.ReadString('\n')
			fields, _ := textproto.NewReader(r).ReadMIMEHeader()
			n, _ := strconv.Atoi(fields.Get("Content-Length"))
			body := make([]byte, n)
			_, _ = io.ReadFull(r, body)
			requests <- fmt.Sprint(strings.TrimSpace(line), " ", strings.Join(fields["Host"], ","), " ", fields.Get("X"), " ", string(body))
			_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nb: 1\r\nA: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhi\n\r\n0\r\n\r\n")
		}
	}()
	at := "http://" + ln.Addr().String()
	f := func(wantRequest, want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		require.Zero(t, runCurl(append(args, at+"/p?q"), &out))
		require.Equal(t, strings.Replace(wantRequest, "HOST", ln.Addr().String(), 1), <-requests)
		require.Equal(t, want, out.String())
	}
	f("GET /p?q HTTP/1.1 HOST  ", "hi\n", "-s")
	f("PUT /p?q HTTP/1.1 HOST y {}", "hi\n", "-X", "PUT", "-H", "X: y", "-d", "{}")
	f("POST /p?q HTTP/1.1 HOST  a", "hi\n", "-d", "a")
	f("GET /p?q HTTP/1.1 HOST  ", "HTTP/1.1 201 Created\r\nb: 1\r\nA: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi\n", "-s", "-i")
	f("GET /p?q HTTP/1.1 HOST  ", "201\n", "-o", "/dev/null", "-w", `%{http_code}\n`)
	f("GET /p?q HTTP/1.1 a.example  ", "hi\n", "-H", "Host: a.example")
	require.Equal(t, 2, runCurl([]string{"--nonsense", at}, io.Discard))
	require.Equal(t, 2, runCurl([]string{"-s"}, io.Discard))
}
