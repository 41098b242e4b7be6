//go:build linux

package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"

	"gopher-equalizer/bench/lab/differ/corpus"
	"gopher-equalizer/bench/lab/differ/play"
)

// table is the outcome of the corpus.
type table struct {
	Proxies   []string // their versions, ours left out
	Names     []string // of all, ours first
	Requests  half
	Responses half
}

// how plays a case.
type how func(*play.Proxy, corpus.Case) (play.Outcome, error)

// half is the requests, or the responses.
type half struct {
	Title    string
	how      how
	cases    []corpus.Case
	outcomes [][]string // of each case, with each proxy
}

// section has the cases of a section in which a peer differs from ours.
type section struct {
	corpus.Case // its first one, for the section's title and reason
	Rows        []string
	Because     []string
}

// Halves are the table's, in order.
func (t table) Halves() []half { return []half{t.Requests, t.Responses} }

// compare plays the whole corpus through all, once or several times.
func (b *bed) compare(often bool) (t table, err error) {
	requests, err := corpus.Requests()
	if err != nil {
		return t, err
	}
	responses, err := corpus.Responses()
	if err != nil {
		return t, err
	}
	t.Names = []string{"ours"}
	for _, p := range b.peers {
		t.Names = append(t.Names, p.name)
		t.Proxies = append(t.Proxies, p.version)
	}
	t.Requests = half{Title: "Requests", how: (*play.Proxy).Request, cases: requests}
	t.Responses = half{Title: "Responses", how: (*play.Proxy).Response, cases: responses}
	return t, errors.Join(t.Requests.fill(b, often), t.Responses.fill(b, often))
}

// fill plays the cases of a half in their order. If often, it also plays them backwards, and each
// proxy by itself: what a peer does can depend on its connections to the backend and on how the
// packets arrive.
func (h *half) fill(b *bed, often bool) error {
	h.outcomes = make([][]string, len(h.cases))
	var forth []int
	for i := range h.cases {
		forth = append(forth, i)
	}
	together := [][]*proxy{b.all()}
	if err := h.pass(forth, together); err != nil || !often {
		return err
	}
	back := slices.Clone(forth)
	slices.Reverse(back)
	alone := slices.Collect(slices.Chunk(b.all(), 1))
	return cmp.Or(h.pass(back, together), h.pass(forth, alone))
}

// pass plays the cases once, in an order, each through groups of proxies one after the other.
func (h *half) pass(order []int, groups [][]*proxy) error {
	for _, i := range order {
		var outcomes []string
		for _, group := range groups {
			o, err := h.play(h.cases[i], group)
			if err != nil {
				return fmt.Errorf("%s: %w", h.cases[i].Name, err)
			}
			outcomes = append(outcomes, o...)
		}
		h.outcomes[i] = merge(h.outcomes[i], outcomes)
	}
	return nil
}

func (b *bed) all() []*proxy { return append([]*proxy{b.ours}, b.peers...) }

// or stands between the outcomes of a case that has several.
const or = ", or "

// merge adds the outcomes of another pass.
func merge(before, now []string) []string {
	if before == nil {
		return now
	}
	merged := slices.Clone(before)
	for i := range merged {
		ways := append(strings.Split(before[i], or), strings.Split(now[i], or)...)
		slices.Sort(ways)
		merged[i] = strings.Join(slices.Compact(ways), or)
	}
	return merged
}

// play plays a case through proxies at once. Harm that a peer does is a part of its outcome. If
// ours does any, play fails.
func (h *half) play(c corpus.Case, proxies []*proxy) ([]string, error) {
	outcomes, errs := make([]string, len(proxies)), make([]error, len(proxies))
	var playing sync.WaitGroup
	for i, p := range proxies {
		playing.Go(func() {
			var o play.Outcome
			o, errs[i] = h.how(&p.Proxy, c)
			outcomes[i] = strings.ReplaceAll(o.Words(c.Want), "`", "'") // so that it can stand in the page's table
			if errs[i] != nil && p.peer {
				outcomes[i] += ", and " + errs[i].Error()
				errs[i] = nil
			}
		})
	}
	playing.Wait()
	return outcomes, errors.Join(errs...)
}

func same(outcomes []string) bool {
	for _, o := range outcomes {
		if o != outcomes[0] {
			return false
		}
	}
	return true
}

// Differ is the number of cases in which a peer differs from ours.
func (h half) Differ() (n int) {
	for _, outcomes := range h.outcomes {
		if !same(outcomes) {
			n++
		}
	}
	return n
}

// Cases is the number of cases.
func (h half) Cases() int { return len(h.cases) }

// Sections are those in which a peer differs.
func (h half) Sections() (all []section) {
	for i, c := range h.cases {
		if same(h.outcomes[i]) {
			continue
		}
		if n := len(all); n == 0 || all[n-1].Section != c.Section {
			all = append(all, section{Case: c})
		}
		s := &all[len(all)-1]
		s.Rows = append(s.Rows, line(c.Name, h.outcomes[i]))
		if c.Why != c.SectionWhy {
			s.Because = append(s.Because, c.Name+": "+c.Why+".\n")
		}
	}
	return all
}

// line is a case's line in a table.
func line(name string, outcomes []string) string {
	text := "| " + name + " |"
	for _, o := range outcomes {
		text += " `" + strings.ReplaceAll(o, "|", `\|`) + "` |"
	}
	return text + "\n"
}

// onPage are the outcomes that a page has for a case; nil if it doesn't have the case.
func onPage(page []byte, name string) (outcomes []string) {
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| "+name+" |") {
			for _, cell := range regexp.MustCompile("`[^`]*`").FindAllString(line, -1) {
				outcomes = append(outcomes, strings.ReplaceAll(strings.Trim(cell, "`"), `\|`, "|"))
			}
		}
	}
	return outcomes
}

// madeWithTheSame reports whether a page was made with the same versions of the peers.
func (t table) madeWithTheSame(page []byte) bool {
	return bytes.Contains(page, []byte("Made by `make differ` with "+strings.Join(t.Proxies, ", ")+","))
}

// keep keeps the former outcomes on a page, if the peers have the same versions: some outcomes
// depend on the process.
func (t table) keep(page []byte) {
	if !t.madeWithTheSame(page) {
		return
	}
	for _, h := range t.Halves() {
		for i, c := range h.cases {
			if before := onPage(page, c.Name); len(before) == len(h.outcomes[i]) {
				before[0] = h.outcomes[i][0]
				h.outcomes[i] = merge(before, h.outcomes[i])
			}
		}
	}
}

// sentence turns a text into a sentence, with a capital letter and a full stop.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }

//go:embed differences.md.tmpl
var page string

// write writes the page.
func write(w io.Writer, t table) error {
	functions := template.FuncMap{"join": strings.Join, "sentence": sentence}
	page, err := template.New("page").Funcs(functions).Parse(page)
	if err != nil {
		return err
	}
	return page.Execute(w, t)
}
