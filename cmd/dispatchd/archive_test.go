package main

import (
	"bytes"
	"log/slog"
	"testing"

	"cuntong/dispatch"
	"cuntong/dispatch/redisstore"
)

// TestArchiveIsPrinted: what ended within the span, each trip on a line of its own.
func TestArchiveIsPrinted(t *testing.T) {
	store, err := redisstore.Open(t.Context(), redisstore.Config{Mode: redisstore.ModeEmbedded, Node: "n", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	area := store.Area("a")
	if _, err := area.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	from, _ := momentOf("2026-11-28T06:00:00+08:00")
	before, _ := momentOf("2026-11-28T07:00:00+08:00")
	for i := range 3 * dispatch.MaxBatchFacts / 2 { // more than one page
		trip := dispatch.EndedTrip{At: from, Seq: dispatch.Seq(i + 2), Trip: "t", Paper: []byte(`{"id":"t"}`)}
		if i == 0 {
			trip.At--
		}
		if err := area.Archive(t.Context(), []dispatch.EndedTrip{trip}); err != nil {
			t.Fatal(err)
		}
	}
	if err := area.Archive(t.Context(), []dispatch.EndedTrip{{At: before, Seq: 9999, Paper: []byte(`{"id":"late"}`)}}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printArchive(t.Context(), &out, store, "a", from, before); err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("{\"id\":\"t\"}\n"), 3*dispatch.MaxBatchFacts/2-1)
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%d bytes printed: want %d", out.Len(), len(want))
	}
	out.Reset()
	if err := printArchive(t.Context(), &out, store, "a", before, 0); err != nil || out.String() != "{\"id\":\"late\"}\n" {
		t.Errorf("from the end of the span on: %q, %v", out.String(), err)
	}
}

func TestMomentOf(t *testing.T) {
	for _, bad := range []string{"yesterday", "2026-13-01", "06:00"} {
		if _, err := momentOf(bad); err == nil {
			t.Errorf("%q is taken for a moment", bad)
		}
	}
}
