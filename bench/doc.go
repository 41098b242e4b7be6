// Package bench is the library behind `equalizer bench`: what going through a proxy costs a
// request over going to the target directly.
//
// It is the one package in this folder that cmd imports. The side-by-side suite, its plots
// and its peers have folders of their own below, so that none of them gets into the binary.
package bench
