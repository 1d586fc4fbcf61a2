// Package phone is the people of a fault test: drivers, passengers and operators with
// real sockets, who live many short trips, come back whenever a connection breaks, and
// write down what they asked and were told.
//
// A phone keeps to docs/PROTOCOL.md, but for its patience: it comes back within a
// second where the protocol allows a minute, so that a gap that it sees is the
// server's and not its own.
package phone
