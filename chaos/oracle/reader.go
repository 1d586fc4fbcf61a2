package oracle

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// readEvery is how often a reader looks for new entries, readPage how many it
	// takes at once.
	readEvery = 300 * time.Millisecond
	readPage  = 2000
	// overlap is how many entries are read again each time, to see whether a tail was
	// lost and written anew.
	overlap = 200
)

// Reader reads the journals of all areas while a run goes on, because snapshots let the
// ledger forget what is older. It asks Redis itself and not the server under test.
type Reader struct {
	client redis.UniversalClient
	areas  []string
	kept   map[string]*kept
}

// kept is what has been read of one area.
type kept struct {
	lines     []string // lines[i] is fact i+1; empty: not read
	rewritten int
}

// NewReader reads by way of client, which must find the master by itself.
func NewReader(client redis.UniversalClient, areas []string) *Reader {
	r := &Reader{client: client, areas: areas, kept: map[string]*kept{}}
	for _, area := range areas {
		r.kept[area] = &kept{}
	}
	return r
}

// Run reads until the context ends.
func (r *Reader) Run(ctx context.Context) {
	ticker := time.NewTicker(readEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, area := range r.areas {
			k := r.kept[area]
			// While Redis is away there is nothing to read; Finish reads all that is there.
			_, _ = r.read(ctx, area, max(0, len(k.lines)-overlap))
		}
	}
}

// read takes every entry after the given one, and returns the last one's place.
func (r *Reader) read(ctx context.Context, area string, after int) (last int, err error) {
	k, last := r.kept[area], after
	for {
		entries, err := r.client.XRangeN(ctx, "{"+area+"}:journal", fmt.Sprintf("(%d-0", last), "+", readPage).Result()
		if err != nil {
			return last, err
		}
		for _, e := range entries {
			place, err := placeOf(e.ID)
			if err != nil {
				return last, err
			}
			line, _ := e.Values["f"].(string)
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
}

// Finish reads everything that Redis still has, which counts whatever was read before,
// and returns the whole journals. Run must have returned.
func (r *Reader) Finish(ctx context.Context) ([]Journal, error) {
	var journals []Journal
	for _, area := range r.areas {
		last, err := r.read(ctx, area, 0)
		if err != nil {
			return nil, fmt.Errorf("journal of area %s: %w", area, err)
		}
		end, err := r.client.HGet(ctx, "{"+area+"}:head", "seq").Int()
		if err != nil {
			return nil, fmt.Errorf("head of area %s: %w", area, err)
		}
		if last != 0 && last != end {
			return nil, fmt.Errorf("area %s: the head says that fact %d is the last, and the journal ends at %d", area, end, last)
		}
		k := r.kept[area]
		if last = end; last < len(k.lines) {
			k.rewritten += len(k.lines) - last
			k.lines = slices.Clone(k.lines[:last])
		}
		j := Journal{Area: area, Rewritten: k.rewritten}
		for i, line := range k.lines {
			if line != "" {
				j.Entries = append(j.Entries, Entry{Place: uint64(i + 1), Line: line})
			}
		}
		journals = append(journals, j)
	}
	return journals, nil
}
