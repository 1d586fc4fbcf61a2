// Package linktest holds the tests of ws/client against the real server on weak links:
// slow, narrow, lossy, cut and dark ones. It has no code of its own.
package linktest
