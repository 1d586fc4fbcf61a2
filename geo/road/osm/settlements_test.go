package osm

import (
	"path/filepath"
	"testing"
)

// TestPopulation reads numbers as people write them, and takes nothing else for one.
func TestPopulation(t *testing.T) {
	for s, want := range map[string]int{
		"24678": 24678, "24 678": 24678, "24,678": 24678, "24.678": 24678, "24\u202f678": 24678,
		"": 0, "about 300": 0, "-5": 0, "999999999999": 0, "300;400": 0,
	} {
		if got := population(s); got != want {
			t.Errorf("population %q: %d, want %d", s, got, want)
		}
	}
}

// TestAndorraSettlements: the sizes belong to the places that ReadPlaces reads.
func TestAndorraSettlements(t *testing.T) {
	path := filepath.Join(andorraFolder(t), "andorra.osm.pbf")
	all, err := ReadSettlements(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	g, _, err := ReadPlaces(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, s := range all {
		kinds[s.Kind]++
		if s.Name == "Andorra la Vella" && (s.Kind != "town" || s.Population != 24678) {
			t.Errorf("%+v", s)
		}
	}
	if len(all) != g.Len() || kinds["town"] != 7 {
		t.Errorf("%d settlements of %d places, by kind %v", len(all), g.Len(), kinds)
	}
}
