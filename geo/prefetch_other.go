//go:build !amd64 && !arm64

package geo

// prefetch is only a hint, and is not given here.
func prefetch(first, last *vec) {}
