// Package schema has only tests. They hold the JSON Schema of the configuration to what validation
// takes and refuses. A validator that is used by others judges by the schema. It is a dependency of
// these tests alone, so they are in this module.
package schema
