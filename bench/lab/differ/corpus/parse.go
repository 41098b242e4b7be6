package corpus

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// parser reads a file line by line.
type parser struct {
	done    []Case
	section Case // what its cases have in common
	form    []string
	inForm  bool

	open  bool // there is a case that the next lines may belong to
	now   Case
	lines []string // its bytes
	given string   // what @ stands for in it
	has   bool     // given is there
}

var (
	errLine   = errors.New("not a line of a corpus")
	errEscape = errors.New("an unknown escape")
)

func (p *parser) line(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	if word != ">" {
		p.inForm = false
	}
	switch word {
	case "", ";":
	case ">":
		p.bytes(rest)
	case "#", "-", "form":
		if err := p.end(); err != nil {
			return err
		}
		return p.begin(word, rest)
	case "rfc":
		p.section.RFC = rest
	case "why":
		p.section.Why, p.section.SectionWhy = rest, rest
	case "watch":
		p.section.Watch = strings.Split(rest, ", ")
	case "ask":
		p.section.Ask = rest
	case "because":
		p.now.Why = rest
	default:
		return errLine
	}
	return nil
}

func (p *parser) bytes(line string) {
	if p.inForm {
		p.form = append(p.form, line)
	} else {
		p.lines = append(p.lines, line)
	}
}

// begin begins a section, a form, or a case.
func (p *parser) begin(word, rest string) error {
	switch word {
	case "#":
		p.section, p.form = Case{Section: rest, Ask: "GET /case HTTP/1.1"}, nil
	case "form":
		p.form, p.inForm = nil, true
	default:
		parts := strings.SplitN(rest, " | ", 3)
		if len(parts) < 2 {
			return errLine
		}
		p.open, p.now, p.lines = true, p.section, nil
		p.now.Name, p.now.Want = parts[0], strings.TrimSpace(parts[1])
		if p.has = len(parts) == 3; p.has {
			p.given = parts[2]
		}
	}
	return nil
}

// end ends the case that is open.
func (p *parser) end() error {
	if !p.open {
		return nil
	}
	p.open = false
	lines := p.lines
	if p.has == (len(lines) > 0) {
		return fmt.Errorf("%s: want bytes of its own, or what @ stands for", p.now.Name)
	}
	if p.has {
		lines = fill(p.form, p.given)
	}
	if p.now.Section == "" || p.now.RFC == "" || p.now.Why == "" {
		return fmt.Errorf("%s: want a section with rfc and why", p.now.Name)
	}
	if err := p.now.read(join(lines)); err != nil {
		return fmt.Errorf("%s: %w", p.now.Name, err)
	}
	p.done = append(p.done, p.now)
	return nil
}

func fill(form []string, given string) (lines []string) {
	for _, line := range form {
		lines = append(lines, strings.ReplaceAll(line, "@", given))
	}
	return lines
}

// join joins lines to the bytes that they stand for, still with escapes.
func join(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line)
		switch {
		case strings.HasSuffix(line, `\F`), strings.HasSuffix(line, `\N`):
		case strings.HasSuffix(line, `\`) && !strings.HasSuffix(line, `\\`):
			text := strings.TrimSuffix(b.String(), `\`)
			b.Reset()
			b.WriteString(text)
		default:
			b.WriteString(`\r\n`)
		}
	}
	return b.String()
}

// read reads the escapes and the marks.
func (c *Case) read(raw string) (err error) {
	text, late, waits := strings.Cut(raw, `\W`)
	c.Waits = waits
	if c.Text, err = c.unescape(text); err != nil {
		return err
	}
	c.Late, err = c.unescape(late)
	return err
}

var repeat = regexp.MustCompile(`\\\{(\d+)\*([^}]*)\}`)

// unescape turns text into the bytes that it stands for, and notes the marks in it.
func (c *Case) unescape(text string) (string, error) {
	text = repeat.ReplaceAllStringFunc(text, func(all string) string {
		parts := repeat.FindStringSubmatch(all)
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			return all
		}
		return strings.Repeat(parts[2], n)
	})
	var b strings.Builder
	for {
		plain, rest, found := strings.Cut(text, `\`)
		b.WriteString(plain)
		if !found {
			return b.String(), nil
		}
		length, err := c.escape(&b, rest)
		if err != nil {
			return "", err
		}
		text = rest[length:]
	}
}

var simple = map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', '0': 0, '\\': '\\'}

// escape reads what follows a backslash, and returns its length.
func (c *Case) escape(b *strings.Builder, rest string) (length int, err error) {
	if rest == "" {
		return 0, errEscape
	}
	switch kind := rest[0]; kind {
	case 'F':
		c.Close = true
		return 1, nil
	case 'N':
		c.Alone = true
		return 1, nil
	case 'x':
		if len(rest) < 3 {
			return 0, errEscape
		}
		v, err := strconv.ParseUint(rest[1:3], 16, 8)
		if err != nil {
			return 0, errEscape
		}
		b.WriteByte(byte(v))
		return 3, nil
	default:
		plain, ok := simple[kind]
		if !ok {
			return 0, errEscape
		}
		b.WriteByte(plain)
		return 1, nil
	}
}
