package http1

// CheckSwitch says why a 101 is no response to a request: it must switch to protocols that the
// request asked for (RFC 9110, section 15.2.2). asked reports whether the request's Upgrade reached
// the backend.
func (a *Response) CheckSwitch(r *Request, asked bool) *Refusal {
	if !asked || !a.HTTP11 {
		return a.refuseSwitch("the response switches protocols, and nobody asked for that", nil)
	}
	named := false
	for i := range a.Fields {
		f := &a.Fields[i]
		if !Is(f.Name, "upgrade") {
			continue
		}
		for list, more := f.Value, true; more; {
			var protocol []byte
			protocol, list, more = cutElement(list)
			if !r.asksFor(protocol) {
				return a.refuseSwitch("the response switches to a protocol that nobody asked for", protocol)
			}
			named = true
		}
	}
	if !named {
		return a.refuseSwitch("the response switches protocols and doesn't say to which", nil)
	}
	return nil
}

// refuseSwitch refuses a 101 for a protocol that it names, or for its status.
func (a *Response) refuseSwitch(detail string, protocol []byte) *Refusal {
	at := len("HTTP/1.1 ")
	if protocol != nil {
		at = a.offset(protocol)
	}
	return Refuse(statusBadGateway, "switch", detail, a.head, at).of(nameUpgrade)
}

// asksFor reports whether Upgrade names a protocol. Names are compared in any case (RFC 9110,
// section 7.8).
func (r *Request) asksFor(protocol []byte) bool {
	for i := range r.Fields {
		f := &r.Fields[i]
		if !Is(f.Name, "upgrade") {
			continue
		}
		for list := f.Value; len(list) > 0; {
			var element []byte
			if element, list = NextElement(list); len(element) > 0 && SameName(element, protocol) {
				return true
			}
		}
	}
	return false
}
