package node

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"cuntong/dispatch"
	"cuntong/geo"
)

func someAreas(n int) []geo.AreaID {
	var areas []geo.AreaID
	for i := range n {
		areas = append(areas, geo.AreaID(fmt.Sprintf("county-%d", i)))
	}
	return areas
}

func someNames(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("server-%d", i))
	}
	return names
}

// TestPlaceEven: no server has more than its share rounded up, or less than it rounded down.
func TestPlaceEven(t *testing.T) {
	for _, areas := range []int{0, 1, 3, 4, 88, 1000} {
		for servers := 1; servers <= 9; servers++ {
			has := map[string]int{}
			dealt := place(someAreas(areas), someNames(servers))
			for _, name := range dealt {
				has[name]++
			}
			if len(dealt) != areas {
				t.Errorf("%d areas, %d servers: %d are dealt", areas, servers, len(dealt))
			}
			for _, name := range someNames(servers) {
				if n := has[name]; n < areas/servers || n > (areas+servers-1)/servers {
					t.Errorf("%d areas, %d servers: %s has %d", areas, servers, name, n)
				}
			}
		}
	}
}

// TestPlaceSame: the order in which a server knows the others says nothing.
func TestPlaceSame(t *testing.T) {
	areas, names := someAreas(88), someNames(5)
	want := place(areas, names)
	slices.Reverse(areas)
	slices.Reverse(names)
	if got := place(areas, names); !maps.Equal(got, want) {
		t.Errorf("in another order the areas are dealt otherwise")
	}
	if got := place(areas, nil); len(got) != 0 {
		t.Errorf("without servers %d areas are dealt", len(got))
	}
}

// TestPlaceFewMoves: when a server comes or goes, few areas move beside its own.
func TestPlaceFewMoves(t *testing.T) {
	const areas = 88
	for servers := 1; servers <= 8; servers++ {
		less, more := place(someAreas(areas), someNames(servers)), place(someAreas(areas), someNames(servers+1))
		moved, newcomers := 0, 0
		for area, name := range more {
			if less[area] != name {
				moved++
			}
			if name == fmt.Sprintf("server-%d", servers) {
				newcomers++
			}
		}
		if moved > 2*newcomers+2 {
			t.Errorf("%d servers and one more: %d of %d areas move, and %d are the newcomer's", servers, moved, areas, newcomers)
		}
	}
}

func TestNextOf(t *testing.T) {
	names := someNames(4)
	took := map[string]int{}
	for _, area := range someAreas(90) {
		next := nextOf(area, names, "server-2")
		if next == "server-2" || next == "" {
			t.Fatalf("%s goes to %q", area, next)
		}
		took[next]++
	}
	if len(took) != 3 {
		t.Errorf("a dead server's areas go to %v", took)
	}
	if next := nextOf("a", []string{"x"}, "x"); next != "" {
		t.Errorf("with nobody else it goes to %q", next)
	}
}

func TestRuns(t *testing.T) {
	got := runs([]dispatch.Peer{
		{ID: "a~1", Name: "a", Seen: 10}, {ID: "a~2", Name: "a", Seen: 20},
		{ID: "b~9", Name: "b", Seen: 30, Leaving: true}, {ID: "b~1", Name: "b", Seen: 5},
		{ID: "c~1", Name: "c", Seen: 30, Leaving: true},
	})
	if want := map[string]dispatch.NodeID{"a": "a~2", "b": "b~1"}; !maps.Equal(got, want) {
		t.Errorf("the runs that count are %v, want %v", got, want)
	}
}
