package http1

// noKeepAlive is the Response.KeptSeconds of a backend that didn't say.
const noKeepAlive = -1

// keepAliveTimeout reads the seconds in the value of a Keep-Alive field, such as "timeout=5,
// max=100".
func keepAliveTimeout(list []byte) int64 {
	const name = "timeout="
	for len(list) > 0 {
		var element []byte
		element, list = NextElement(list)
		if len(element) <= len(name) || !Is(element[:len(name)], name) {
			continue
		}
		if seconds := element[len(name):]; IsDigits(seconds, 9) {
			return parseSize(seconds)
		}
	}
	return noKeepAlive
}
