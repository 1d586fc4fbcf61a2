package oracle

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// A node that was cut off holds a tail that was lost; when it is reached again, that part
// is forgotten there and can only be read elsewhere.
func TestReaderDoubtsWhatItCannotReadAgain(t *testing.T) {
	ctx := context.Background()
	var sources []Source
	for _, name := range []string{"right", "other"} {
		server := miniredis.RunT(t)
		client := redis.NewClient(&redis.Options{Addr: server.Addr()})
		t.Cleanup(func() { client.Close() })
		sources = append(sources, Source{Name: name, Client: client})
	}
	write := func(source, from, to int, text string) {
		for place := from; place <= to; place++ {
			err := sources[source].Client.XAdd(ctx, &redis.XAddArgs{Stream: "{a}:journal", ID: fmt.Sprintf("%d-0", place), Values: []any{"f", fmt.Sprint(text, place)}}).Err()
			if err != nil {
				t.Fatal(err)
			}
		}
		sources[source].Client.HSet(ctx, "{a}:head", "seq", to)
	}
	r := NewReader(sources, []string{"a"})
	look := func(source int) {
		s := r.sources[source]
		if _, err := s.read(ctx, "a", s.kept["a"].overlapping()); err != nil {
			t.Fatal(err)
		}
	}
	write(0, 1, 250, "kept ")
	write(1, 1, 250, "kept ")
	write(0, 251, 253, "lost ")
	look(0)
	look(1)
	write(1, 251, 600, "kept ")
	look(1)
	sources[0].Client.Del(ctx, "{a}:journal") // copied from the other, which has forgotten its beginning
	write(0, 400, 600, "kept ")
	look(0)

	journals, err := r.Finish(ctx, "right")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(journals[0].Entries); n != 600 || journals[0].Broken != "" {
		t.Fatalf("%d entries were read, broken %q", n, journals[0].Broken)
	}
	for i, e := range journals[0].Entries {
		if e.Place != uint64(i+1) || !strings.HasPrefix(e.Line, "kept ") {
			t.Errorf("place %d is read as %q", e.Place, e.Line)
		}
	}
}
