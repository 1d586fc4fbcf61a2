//go:build amd64 || arm64

package geo

// prefetch asks the processor to fetch the cache lines from first to last, which
// lie in one slice, and does not wait for them. Go has no word for it. A search
// among very many keys otherwise waits for one leaf after another; see largeIndex.
//
//go:noescape
func prefetch(first, last *vec)
