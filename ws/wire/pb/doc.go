// Package pb is the code that protoc makes of cuntong.proto, for programs in Go that
// want the messages themselves. The server and package wire do without it: wire writes
// the same bytes from its own types, and its tests hold the two against each other.
package pb
