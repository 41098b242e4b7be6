// Package exposition has Prometheus's own parsers read the pages of GET /metrics, in both formats.
// They are in this module to keep Prometheus from the product's dependencies.
package exposition
