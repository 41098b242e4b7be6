package http1

// FoldByte returns a letter in lower case, a digit as it is, and a hyphen for any other byte. Names
// that fold alike are one name to backends that make CGI variables of names: X_Forwarded_For and
// X-Forwarded-For.
func FoldByte(c byte) byte {
	c = ToLower(c)
	if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
		return '-'
	}
	return c
}

// Fold appends the folded bytes of a name, as many as dst has room for, and reports whether
// hyphens were the only punctuation among them.
func Fold(dst, name []byte) (folded []byte, hyphenated bool) {
	hyphenated = true
	for _, c := range name[:min(len(name), cap(dst))] {
		f := FoldByte(c)
		hyphenated = hyphenated && (f != '-' || c == '-')
		dst = append(dst, f)
	}
	return dst, hyphenated
}

// FoldsTo reports whether a name folds to folded.
func FoldsTo(name []byte, folded string) bool {
	if len(name) != len(folded) {
		return false
	}
	for i, c := range name {
		if FoldByte(c) != folded[i] {
			return false
		}
	}
	return true
}
