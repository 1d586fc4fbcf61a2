package oracle

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// readEvery is how often a reader looks for new entries, readPage how many it
	// takes at once. A writer that stops may save a snapshot soon after the last one, and what
	// was before that one is forgotten then.
	readEvery = 25 * time.Millisecond
	readPage  = 2000
	// overlap is how many entries are read again every so many times, to see whether a tail
	// was lost and written anew.
	overlap      = 200
	overlapEvery = 12
)

// Source is where journals are read: a Redis node, or a whole Cluster.
type Source struct {
	Name   string
	Client redis.UniversalClient
}

// Reader reads the journals of all areas while a run goes on, because snapshots let the
// ledger forget what is older. It asks every node of Redis by itself, and not the server
// under test: which of them is right is known in the end only.
type Reader struct {
	areas   []string
	sources []*source
}

// source is a Source with what has been read there of each area.
type source struct {
	Source
	kept map[string]*kept
}

// kept is what has been read of one area.
type kept struct {
	lines     []string // lines[i] is fact i+1; empty: not read
	rewritten int
	// doubtful are the places that were to be read again and were forgotten by then: what
	// was read there may have been lost with its tail and written anew in between.
	doubtful map[int]bool
}

// NewReader reads at all sources.
func NewReader(sources []Source, areas []string) *Reader {
	r := &Reader{areas: areas}
	for _, s := range sources {
		r.sources = append(r.sources, newSource(s, areas))
	}
	return r
}

func newSource(s Source, areas []string) *source {
	one := &source{Source: s, kept: map[string]*kept{}}
	for _, area := range areas {
		one.kept[area] = &kept{doubtful: map[int]bool{}}
	}
	return one
}

// Run reads until the context ends. A source that does not answer holds up no other, nor
// does a node of a Cluster the areas that are elsewhere.
func (r *Reader) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range r.sources {
		for area := range s.kept {
			all.Go(func() { s.follow(ctx, area) })
		}
	}
	all.Wait()
}

// follow reads one area until the context ends.
func (s *source) follow(ctx context.Context, area string) {
	k := s.kept[area]
	ticker := time.NewTicker(readEvery)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		after := len(k.lines)
		if n%overlapEvery == 0 {
			after = k.overlapping()
		}
		// While it is away there is nothing to read; Finish reads all that is there.
		_, _ = s.read(ctx, area, after)
	}
}

// overlapping is after which place an area is read next.
func (k *kept) overlapping() int { return max(0, len(k.lines)-overlap) }

// read takes every entry after the given one, and returns the last one's place. After 0
// it takes what there is and doubts nothing that was read before.
func (s *source) read(ctx context.Context, area string, after int) (last int, err error) {
	k, last := s.kept[area], after
	for {
		entries, err := s.Client.XRangeN(ctx, "{"+area+"}:journal", fmt.Sprintf("(%d-0", last), "+", readPage).Result()
		if err != nil {
			return last, err
		}
		for _, e := range entries {
			place, err := placeOf(e.ID)
			if err != nil {
				return last, err
			}
			line, _ := e.Values["f"].(string)
			if after > 0 {
				k.doubt(last+1, place)
			}
			k.put(place, line)
			last = place
		}
		if len(entries) < readPage {
			return last, nil
		}
	}
}

func placeOf(id string) (int, error) {
	ms, rest, _ := strings.Cut(id, "-")
	place, err := strconv.Atoi(ms)
	if err != nil || place < 1 || rest != "0" {
		return 0, fmt.Errorf("the journal has an entry %q", id)
	}
	return place, nil
}

// put keeps a line; the newest reading counts.
func (k *kept) put(place int, line string) {
	for len(k.lines) < place {
		k.lines = append(k.lines, "")
	}
	if before := k.lines[place-1]; before != "" && before != line {
		k.rewritten++
	}
	k.lines[place-1] = line
	delete(k.doubtful, place)
}

// doubt notes that the places from one to before another could not be read again.
func (k *kept) doubt(from, to int) {
	for place := from; place < min(to, len(k.lines)+1); place++ {
		k.doubtful[place] = true
	}
}

// Finish reads everything that the right source still has, which counts whatever was
// read before, and returns the whole journals. What that one forgot before it was read
// there is taken from the others. Run must have returned.
func (r *Reader) Finish(ctx context.Context, right string) ([]Journal, error) {
	i := slices.IndexFunc(r.sources, func(s *source) bool { return s.Name == right })
	if i < 0 {
		return nil, fmt.Errorf("nothing was read at %q", right)
	}
	var journals []Journal
	for _, area := range r.areas {
		j, err := r.finish(ctx, r.sources[i], area)
		if err != nil {
			return nil, fmt.Errorf("journal of area %s: %w", area, err)
		}
		journals = append(journals, j)
	}
	return journals, nil
}

func (r *Reader) finish(ctx context.Context, right *source, area string) (Journal, error) {
	if _, err := right.read(ctx, area, right.kept[area].overlapping()); err != nil {
		return Journal{}, err
	}
	last, err := right.read(ctx, area, 0)
	if err != nil {
		return Journal{}, err
	}
	end, err := right.Client.HGet(ctx, "{"+area+"}:head", "seq").Int()
	if err != nil {
		return Journal{}, err
	}
	j := Journal{Area: area}
	if last != 0 && last != end {
		j.Broken = fmt.Sprintf("the head says that fact %d is the last, and the journal ends at %d", end, last)
	}
	k := right.kept[area]
	if len(k.lines) > end {
		j.Rewritten = len(k.lines) - end
	}
	for place := 1; place <= end; place++ {
		line := r.line(k, area, place)
		for _, other := range r.sources {
			if was := other.kept[area].at(place); was != "" && was != line {
				j.Rewritten++
			}
		}
		if line != "" {
			j.Entries = append(j.Entries, Entry{Place: uint64(place), Line: line})
		}
	}
	j.Rewritten += k.rewritten
	return j, nil
}

// line is what the right source says at a place, as far as that is beyond doubt; else
// what another says beyond doubt; else what anybody says.
func (r *Reader) line(right *kept, area string, place int) string {
	if line := right.at(place); line != "" && !right.doubtful[place] {
		return line
	}
	best := right.at(place)
	for _, s := range r.sources {
		other := s.kept[area]
		switch line := other.at(place); {
		case line != "" && !other.doubtful[place]:
			return line
		case best == "":
			best = line
		}
	}
	return best
}

// at is the line at a place; empty: none was read.
func (k *kept) at(place int) string {
	if place > len(k.lines) {
		return ""
	}
	return k.lines[place-1]
}
