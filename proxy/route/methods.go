package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopher-equalizer/proxy/http1"
)

// Methods are the methods that a route or an exemption is for. The zero value is all of them.
type Methods struct {
	// names are sorted. HEAD is among them where GET is.
	names []string
}

// ParseMethods reads methods. GET includes HEAD. The error names every text that is none, and what
// was wanted.
func ParseMethods(texts []string) (Methods, error) {
	var m Methods
	var problems []error
	for _, text := range texts {
		if err := checkMethod(text); err != nil {
			problems = append(problems, fmt.Errorf("unexpected method %q: %w", text, err))
			continue
		}
		if m.names = append(m.names, text); text == "GET" {
			m.names = append(m.names, "HEAD")
		}
	}
	slices.Sort(m.names)
	m.names = slices.Compact(m.names)
	return m, errors.Join(problems...)
}

func checkMethod(text string) error {
	switch upper := strings.ToUpper(text); {
	case !http1.IsToken([]byte(text)):
		return errors.New("want one such as GET")
	case upper != text:
		return fmt.Errorf("methods are in capitals; want %s", upper)
	case text == "CONNECT":
		return errors.New("CONNECT is not served; want another one")
	}
	return nil
}

// IsAny reports whether all methods are meant.
func (m Methods) IsAny() bool { return len(m.names) == 0 }

// Contain reports whether a method is among them.
func (m Methods) Contain(method []byte) bool {
	for _, name := range m.names {
		if string(method) == name {
			return true
		}
	}
	return m.IsAny()
}

// includes reports whether every method of other is among them.
func (m Methods) includes(other Methods) bool {
	if other.IsAny() {
		return m.IsAny()
	}
	return !slices.ContainsFunc(other.names, func(name string) bool { return !m.Contain([]byte(name)) })
}

// String is the methods with commas between them; "" if all are meant.
func (m Methods) String() string { return strings.Join(m.names, ", ") }
