// Package config reads gopher-equalizer's configuration file. It has the types, their defaults, and
// every check that can be made before anything is opened.
//
// A mistake is a [Problem]: where it is, which key, what is there and what was wanted. All of a
// file's problems come at once, as [Problems]. Only a syntax error hides those behind it.
// config.toml in this folder documents every key for operators.
//
// The defaults come first, then the file, the environment (only secrets), and the command line's
// flags. Each wins over those before it; see [Options].
package config
