package h2

// priority is how a response ranks among those on its connection (RFC 9218, section 4).
type priority struct {
	// urgency is from 0, the most urgent, to 7.
	urgency uint8
	// incremental reports whether a part of the response is of use. Responses of the same urgency
	// share the connection if they are incremental, and else come one after the other.
	incremental bool
}

// unranked is the priority of a request that says nothing of it. RFC 9218 has it not be
// incremental, but clients that don't know of priorities want all their responses.
var unranked = priority{urgency: 3, incremental: true}

// maxPriorityValue is how long the value of a priority may be to be read.
const maxPriorityValue = 32

// parsePriority reads the value of a Priority field. What isn't understood is ignored, as RFC 9218
// wants it.
func parsePriority[S string | []byte](value S) priority {
	p := priority{urgency: unranked.urgency}
	for at := 0; at < len(value); {
		end := at
		for end < len(value) && value[end] != ',' {
			end++
		}
		item := value[at:end]
		for len(item) > 0 && (item[0] == ' ' || item[0] == '\t') {
			item = item[1:]
		}
		switch {
		case len(item) >= 3 && string(item[:2]) == "u=" && '0' <= item[2] && item[2] <= '7' && endsItem(item[3:]):
			p.urgency = item[2] - '0'
		case len(item) >= 1 && item[0] == 'i':
			p.incremental = endsItem(item[1:]) || len(item) >= 4 && string(item[1:4]) == "=?1" && endsItem(item[4:])
		}
		at = end + 1
	}
	return p
}

// endsItem reports whether what comes behind a value doesn't belong to it: space, or parameters.
func endsItem[S string | []byte](rest S) bool {
	return len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t' || rest[0] == ';'
}
