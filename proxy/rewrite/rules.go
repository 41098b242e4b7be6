package rewrite

// Rules are what a route changes in the messages that pass. They are immutable; the zero value
// changes nothing.
type Rules struct {
	// Path changes the path that backends get.
	Path PathRules
	// Request and Response change the fields.
	Request, Response FieldRules
	// Guarded are the headers that the request's route and limits depend on.
	Guarded Guarded
}
