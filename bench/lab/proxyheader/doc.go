// Package proxyheader holds this product's reader of the PROXY protocol's header against
// github.com/pires/go-proxyproto, which is widely used. It has tests only.
package proxyheader
