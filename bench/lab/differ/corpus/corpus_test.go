package corpus

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const small = `; an example
# Section
rfc RFC 1
why because
watch a, b
form
> GET @ HTTP/1.1
>
> x\
- one | GET /a | /\x41\\
- two | 400 | \{3*ab}\F
because of itself
- three | 200
> a\tb
> \Wlate\N
# Other
rfc RFC 2
why not
ask HEAD / HTTP/1.1
- four | 400
> \0\
`

func TestParse(t *testing.T) {
	got, err := Parse(small)
	require.NoError(t, err)
	section := Case{Section: "Section", RFC: "RFC 1", Why: "because", SectionWhy: "because", Ask: "GET /case HTTP/1.1", Watch: []string{"a", "b"}}
	one, two, three := section, section, section
	one.Name, one.Want, one.Text = "one", "GET /a", "GET /A\\ HTTP/1.1\r\n\r\nx"
	two.Name, two.Want, two.Text, two.Close, two.Why = "two", "400", "GET ababab HTTP/1.1\r\n\r\nx", true, "of itself"
	three.Name, three.Want, three.Text, three.Late, three.Alone = "three", "200", "a\tb\r\n", "late", true
	three.Waits = true
	four := Case{Section: "Other", RFC: "RFC 2", Why: "not", SectionWhy: "not", Ask: "HEAD / HTTP/1.1", Name: "four", Want: "400", Text: "\x00"}
	assert.Equal(t, []Case{one, two, three, four}, got)
}

func TestWhatIsNoCorpus(t *testing.T) {
	const head = "# S\nrfc R\nwhy W\n"
	for text, want := range map[string]string{
		"hello":                            "not a line of a corpus",
		head + "- a":                       "not a line of a corpus",
		head + "- a | 400":                 "want bytes of its own",
		head + "- a | 400 | x\n> y":        "want bytes of its own",
		"- a | 400\n> x":                   "want a section",
		head + `- a | 400` + "\n" + `> \q`: "unknown escape",
		head + `- a | 400` + "\n" + `> \x`: "unknown escape",
	} {
		_, err := Parse(text)
		assert.ErrorContains(t, err, want, text)
	}
}

// TestTheCorpus checks that there are enough cases, and none twice.
func TestTheCorpus(t *testing.T) {
	f := func(load func() ([]Case, error), least int) {
		t.Helper()
		cases, err := load()
		require.NoError(t, err)
		assert.GreaterOrEqual(t, len(cases), least)
		seen := map[string]string{}
		for _, c := range cases {
			assert.Regexp(t, `^[a-z0-9-]+$`, c.Name)
			key := strings.Join([]string{c.Ask, c.Text, c.Late, fmt.Sprint(c.Close, c.Alone, c.Waits)}, "\x00")
			assert.Empty(t, seen[key], c.Name)
			seen[key] = c.Name
		}
		t.Log(len(cases))
	}
	f(Requests, 300)
	f(Responses, 200)
}
