package dispatch

import (
	"fmt"
	"testing"
)

// An operator sees who is kept out, the newest first, and as many as a board has rows.
func TestBoardShowsTheNewestBars(t *testing.T) {
	s := newShut()
	for i := range BoardRows + 10 {
		s.fold(Instant(i+1), PartyBarred{Party: Actor{Role: RoleDriver, ID: fmt.Sprint("d", i)}, Reason: "r"})
	}
	s.fold(Instant(1000), PartyBarred{Party: Actor{Role: RoleAgent, ID: "over"}, Until: 2000})
	bars := s.newest(2000, BoardRows)
	if len(bars) != BoardRows {
		t.Fatalf("%d bars, want %d", len(bars), BoardRows)
	}
	for i, b := range bars {
		if want := Instant(BoardRows + 10 - i); b.At != want || b.Reason != "r" {
			t.Fatalf("bar %d is %+v, want the one of %d", i, b, want)
		}
	}
	if first := s.newest(1999, 1); len(first) != 1 || first[0].Party.ID != "over" {
		t.Errorf("before it is over the newest is %+v", first)
	}
}
