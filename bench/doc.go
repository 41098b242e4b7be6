// Package bench is the library behind `equalizer bench`. It measures what a request through a proxy
// costs over one that goes to the target directly.
//
// It is the only package in this folder that cmd imports. The side-by-side suite, its plots and its
// peers have folders of their own below, so that none of them gets into the binary.
package bench
