package adminclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	// connectTimeout is how long a connection may take.
	connectTimeout = 2 * time.Second
	// mostBody bounds a response, in bytes. The longest page of buckets has some 500 KiB.
	mostBody = 64 << 20
)

// Settings are where the admin API is, and what it wants.
type Settings struct {
	// Network and Address are those that the process listens on, as package net takes them. An
	// address that stands for all is reached by loopback.
	Network, Address string
	// Token is sent if it isn't empty. TokenFrom says where it is from, such as
	// "EQUALIZER_ADMIN_TOKEN".
	Token, TokenFrom string
	// TLS is nil if the API is spoken to in clear.
	TLS *TLS
}

// Client calls one admin API. Its calls may run at the same time.
type Client struct {
	settings Settings
	base     string // without a slash at the end
	http     *http.Client
}

// New makes a Client. It connects when it is first used. The error is that the address can't be
// one.
func New(s Settings) (*Client, error) {
	c := &Client{settings: s, base: "http://localhost"}
	dial := s.Address
	var secure *tls.Config
	if s.Network != "unix" {
		host, port, err := net.SplitHostPort(s.Address)
		if err != nil || port == "" {
			return nil, fmt.Errorf("%q is no address; want HOST:PORT, https://HOST:PORT or unix:///PATH", s.Address)
		}
		host = reachable(host)
		dial = net.JoinHostPort(host, port)
		c.base = "http://" + dial
		if s.TLS != nil {
			c.base = "https://" + dial
			secure = s.TLS.config(host)
		}
	}
	dialer := &net.Dialer{Timeout: connectTimeout}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, s.Network, dial)
			},
			TLSClientConfig:    secure,
			DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Close closes the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Address is where the API is, as people write it.
func (c *Client) Address() string {
	if c.settings.Network == "unix" {
		return "unix://" + c.settings.Address
	}
	_, address, _ := strings.Cut(c.base, "://")
	return address
}

// reachable is the address by which the same machine reaches a listener on this host.
func reachable(host string) string {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && addr.IsUnspecified() && addr.Is4():
		return "127.0.0.1"
	case err == nil && addr.IsUnspecified():
		return "::1"
	}
	return host
}

// Response is what a call was answered with, if that is a success.
type Response struct {
	// Body is the API's JSON, with a line feed at its end; empty after a 204.
	Body []byte
	// Next is the path of the next page; "" if there is none.
	Next string
}

// Call makes one call. The path begins with a slash and is encoded. The body is written as JSON,
// unless it is nil. If the API refuses the call, the error is a [*Problem].
func (c *Client) Call(ctx context.Context, method, path string, body any) (Response, error) {
	request, err := c.request(ctx, method, path, body)
	if err != nil {
		return Response{}, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return Response{}, c.unreachable(ctx, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, mostBody))
	if err != nil {
		return Response{}, c.unreachable(ctx, err)
	}
	if response.StatusCode >= 300 {
		return Response{}, c.refused(response, data)
	}
	if len(data) > 0 && mediaType(response) != "application/json" {
		return Response{}, c.another(response)
	}
	return Response{Body: data, Next: nextPage(response.Header.Get("Link"))}, nil
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader = http.NoBody
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.settings.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.settings.Token)
	}
	return request, nil
}

// Get reads a value.
func (c *Client) Get(ctx context.Context, path string, into any) (Response, error) {
	response, err := c.Call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return Response{}, err
	}
	return response, c.Decode(response, into)
}

// Decode reads a response's body.
func (c *Client) Decode(r Response, into any) error {
	if err := json.Unmarshal(r.Body, into); err != nil {
		return fmt.Errorf("the admin API at %s sent JSON of another version: %w", c.Address(), err)
	}
	return nil
}

func mediaType(r *http.Response) string {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // "" if it isn't one
	return media
}

// nextPage is the target of a Link to the next page.
func nextPage(link string) string {
	target, found := strings.CutSuffix(link, `>; rel="next"`)
	if !found {
		return ""
	}
	return strings.TrimPrefix(target, "<")
}

// retryAfter is what a response says about when to ask again; 0 if it says nothing.
func retryAfter(r *http.Response) time.Duration {
	seconds, err := strconv.ParseUint(r.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
