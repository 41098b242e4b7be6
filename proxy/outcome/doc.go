// Package outcome is the result of a request: what access logs, counters and operators get to see
// of it, and the only thing that they see. The pipeline fills an Outcome in; a Recorder counts it,
// logs it and keeps why messages were refused.
package outcome
