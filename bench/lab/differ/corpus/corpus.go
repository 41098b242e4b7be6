// Package corpus has the messages that proxies are compared by: malformed and borderline requests
// and responses, in readable files.
//
// A file is made of sections:
//
//	# Content-Length                     a section, up to the next
//	rfc RFC 9110, 8.6                    what its cases are about
//	why a size is digits only            why ours does what it does, where others don't
//	watch te, x-a                        fields of the forwarded message that count as part of the outcome
//	ask HEAD /case HTTP/1.1              of responses: what was asked (GET /case HTTP/1.1)
//	form                                 the bytes of its cases, @ standing for a case's own
//	> POST /case HTTP/1.1
//	> Host: a
//	> Content-Length: @
//	>
//	> hello\
//	- plus | 400 | +5                    a case: its name, what ours must do, what @ stands for
//	- minus | 400                        a case with all of its bytes
//	> POST /case HTTP/1.1
//	because there are none               why, of the case above it alone
//	; a comment
//
// A line of bytes ends in CRLF unless its last byte is a backslash. In it, \r \n \t \0 \\ and \xHH
// are bytes, and \{N*text} is text N times. At \F the sender closes its side. Nothing is sent
// behind \N. In a response, what follows \W is sent once the client has the response before it.
package corpus

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed requests responses
var files embed.FS

// Case is one message.
type Case struct {
	Name, Section, RFC string
	// Why is why our proxy does what Want says. SectionWhy is the same without the reasons of
	// single cases.
	Why, SectionWhy string
	// Want is what our proxy must do, in the words of the table.
	Want string
	// Ask is the request line that a response is for.
	Ask string
	// Watch are lower-case field names.
	Watch []string
	// Text is sent at once; Late, if it Waits, after the client has its response.
	Text, Late string
	Waits      bool
	// Close: the sender then closes its side. Alone: nothing may be sent behind the message.
	Close, Alone bool
}

// Requests are the cases that clients send.
func Requests() ([]Case, error) { return load("requests") }

// Responses are the cases that backends send.
func Responses() ([]Case, error) { return load("responses") }

// load reads all files of a folder.
func load(folder string) (all []Case, err error) {
	names, err := fs.Glob(files, folder+"/*.txt")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		cases, err := Parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, c := range cases {
			if seen[c.Name] {
				return nil, fmt.Errorf("%s: a second case %q", name, c.Name)
			}
			seen[c.Name] = true
		}
		all = append(all, cases...)
	}
	return all, nil
}

// Parse reads a file.
func Parse(text string) ([]Case, error) {
	var p parser
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("line %d: %w: %q", i+1, err, line)
		}
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return p.done, nil
}
