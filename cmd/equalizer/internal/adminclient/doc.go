// Package adminclient calls the admin API of a process that runs, for the commands.
//
// Its errors are for people in a shell: each says what is wrong and what to do about it. What the
// API refused is a [*Problem].
package adminclient
