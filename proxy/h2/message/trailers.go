package message

import "gopher-equalizer/proxy/http1"

// Trailers is the field list behind a request's body, on its way in. Reset comes before all else,
// then each field in its order, and End. Its memory serves the next one.
type Trailers struct {
	list
	text []byte
	body http1.Body
}

// Reset begins another list, with the bounds of Head.Reset.
func (t *Trailers) Reset(maxBytes, maxFields int) {
	t.forget()
	t.reset(maxBytes, maxFields)
	t.text = t.text[:0]
}

// Field takes the next field, like Head.Field.
func (t *Trailers) Field(name, value string) {
	switch {
	case !t.counts(name, value):
	case isPseudo(name):
		t.err = malformed("trailers-pseudo", "a pseudo field behind the body")
	default:
		t.store(name, value, checkField(name, value))
	}
}

// End ends the list. The fields are as http1 reads them in HTTP/1's trailer section, and stay good
// until the next Reset. The error is a *Malformed or a *http1.Refusal.
func (t *Trailers) End() ([]http1.Field, error) {
	defer t.forget()
	switch {
	case t.err != nil:
		return nil, t.err
	case t.tooLarge():
		return nil, http1.Refuse(statusBadRequest, "trailers", "the trailer section is too long", nil, 0)
	case t.tooMany():
		return nil, http1.Refuse(statusBadRequest, "trailers", "there are too many trailers", nil, 0)
	}
	t.text = append(t.text, "0\r\n"...)
	for i := range t.fields {
		t.text = appendLine(t.text, t.fields[i].name, t.fields[i].value)
	}
	t.text = append(t.text, "\r\n"...)
	t.body.Begin(http1.SizeChunked)
	if _, _, err := t.body.Decode(t.text); err != nil {
		return nil, err
	}
	return t.body.Trailers, nil
}
