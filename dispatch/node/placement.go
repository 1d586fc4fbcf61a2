package node

import (
	"cmp"
	"hash/fnv"
	"io"
	"slices"

	"cuntong/dispatch"
	"cuntong/geo"
)

// placement says which server should write which area, by the servers' names.
type placement map[geo.AreaID]string

// weighed is how much an area likes a server.
type weighed struct {
	area   geo.AreaID
	name   string
	weight uint64
}

// place deals the areas to the servers of these names: by rendezvous hashing, so that a
// server which comes or goes moves few areas beside its own, and with a bound, so that
// none gets more than its share rounded up, nor less than its share rounded down. It is
// a function of its arguments, whatever their order, so that all servers come to the
// same result without a word.
//
// The strongest likings are granted first. An area is refused by a server that is full
// and goes to the one it likes next; so every pair is looked at once.
func place(areas []geo.AreaID, names []string) placement {
	dealt := make(placement, len(areas))
	if len(names) == 0 {
		return dealt
	}
	pairs := make([]weighed, 0, len(areas)*len(names))
	for _, area := range areas {
		for _, name := range names {
			pairs = append(pairs, weighed{area, name, liking(area, name)})
		}
	}
	slices.SortFunc(pairs, func(a, b weighed) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.area, b.area), cmp.Compare(a.name, b.name))
	})
	share, over := len(areas)/len(names), len(areas)%len(names)
	has := make(map[string]int, len(names))
	for _, p := range pairs {
		if dealt[p.area] != "" || has[p.name] > share || has[p.name] == share && over == 0 {
			continue
		}
		if has[p.name] == share {
			over--
		}
		has[p.name]++
		dealt[p.area] = p.name
	}
	return dealt
}

// liking is the weight of a pair. The hash alone would leave names that differ in their
// last letter close together; the finisher is that of MurmurHash3.
func liking(area geo.AreaID, name string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, string(area))
	_, _ = h.Write([]byte{0})
	_, _ = io.WriteString(h, name)
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// nextOf is the server that an area likes best but for one, whatever others it has:
// who takes an area whose owner seems to live and does not renew its lease. Empty when
// there is nobody else.
func nextOf(area geo.AreaID, names []string, but string) string {
	best, most := "", uint64(0)
	for _, name := range names {
		if w := liking(area, name); name != but && (best == "" || w > most) {
			best, most = name, w
		}
	}
	return best
}

// runs picks, for each name, the run that counts: one that is not leaving before one
// that is, then the one heard of last. Those that leave and are the only ones of their
// name are left out.
func runs(peers []dispatch.Peer) map[string]dispatch.NodeID {
	best := map[string]dispatch.Peer{}
	for _, p := range peers {
		old, ok := best[p.Name]
		if !p.Leaving && (!ok || p.Seen > old.Seen || p.Seen == old.Seen && p.ID > old.ID) {
			best[p.Name] = p
		}
	}
	ids := make(map[string]dispatch.NodeID, len(best))
	for name, p := range best {
		ids[name] = p.ID
	}
	return ids
}
