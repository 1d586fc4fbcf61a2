// Package stage is the system under test as real processes: redis-servers, dispatchds,
// proxies, and, where we may, a network of our own in which links can be cut.
package stage
