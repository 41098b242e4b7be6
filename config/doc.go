// Package config reads the TOML file that says what gopher-equalizer does: its types,
// their defaults, and every check that can be made before anything is opened.
//
// A mistake is a [Problem]: where it is, which key, what is there and what was wanted.
// All of a file's problems come in one go, as [Problems]; only a syntax error stops at
// the first. config.toml in this folder documents every key for operators.
//
// Values are laid over each other in this order: the defaults, the file, the
// environment (secrets only), then the command line's flags, see [Options].
package config
