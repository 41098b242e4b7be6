// Package config reads gopher-equalizer's configuration file. It has the types, their defaults, and
// every check that can be made before anything is opened.
//
// A mistake is a [Problem]: where it is, which key, what is there and what was wanted. All of a
// file's problems come at once, as [Problems]. Only a syntax error hides those behind it.
// config.toml in this folder documents every key for operators.
//
// The defaults come first, then the file, with those that it includes, then the environment and
// files of secrets, and the command line's flags. Each wins over those before it; see [Options].
// What a reference such as ${NAME} stands for is in the Config, and is shown nowhere: whatever
// shows a configuration is made from [Loaded], which knows the references.
package config
