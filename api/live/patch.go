package live

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// State is a JSON object. What is null in one isn't there.
type State = map[string]any

// StateOf makes a State of what is encoded as a JSON object.
func StateOf(value any) (State, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encoding a sample: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // Counters may be beyond what a float holds.
	var state State
	if err := decoder.Decode(&state); err != nil {
		return nil, fmt.Errorf("decoding a sample: %w", err)
	}
	dropNulls(state)
	return state, nil
}

// dropNulls removes the members that are null, which a merge patch can't tell from none.
func dropNulls(object State) {
	for name, value := range object {
		switch value := value.(type) {
		case nil:
			delete(object, name)
		case State:
			dropNulls(value)
		}
	}
}

// Patch is the JSON merge patch (RFC 7396) that makes one state the other; it is empty if they are
// equal. It shares memory with is.
func Patch(was, is State) State {
	changes := State{}
	for name := range was {
		if _, stays := is[name]; !stays {
			changes[name] = nil
		}
	}
	for name, value := range is {
		former, known := was[name]
		if !known {
			changes[name] = value
			continue
		}
		if change, differs := patchValue(former, value); differs {
			changes[name] = change
		}
	}
	return changes
}

// patchValue is what a member's value is replaced by, and whether it has to be. Arrays are replaced
// whole.
func patchValue(was, is any) (change any, differs bool) {
	wasObject, ok := was.(State)
	isObject, both := is.(State)
	if ok && both {
		change := Patch(wasObject, isObject)
		return change, len(change) > 0
	}
	return is, !equal(was, is)
}

func equal(a, b any) bool {
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case State:
		b, ok := b.(State)
		return ok && len(Patch(a, b)) == 0
	}
	switch b.(type) {
	case []any, State:
		return false
	}
	return a == b
}

// Merge applies a JSON merge patch (RFC 7396) to a state, which it changes.
func Merge(state, patch State) {
	for name, value := range patch {
		change, isObject := value.(State)
		switch {
		case value == nil:
			delete(state, name)
		case isObject:
			member, ok := state[name].(State)
			if !ok {
				member = State{}
			}
			Merge(member, change)
			state[name] = member
		default:
			state[name] = value
		}
	}
}
