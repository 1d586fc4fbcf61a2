package plan

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestPlans reads every plan there is, and looks for what every form must have.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("../plans/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	short, mutants := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		p, err := Read(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if p.Name+".json" != filepath.Base(file) {
			t.Errorf("%s has a plan named %s", file, p.Name)
		}
		if p.Short && p.Mutant == "" {
			short[p.Topology] = true
		}
		if p.Mutant != "" {
			mutants[p.Mutant] = true
		}
	}
	for _, topology := range []string{"standalone", "sentinel", "cluster"} {
		if !short[topology] {
			t.Errorf("the short form has no plan of topology %s", topology)
		}
	}
	for _, mutant := range []string{"no_epoch", "wait_elsewhere", "told_first", "lease_ttl", "no_transfer_id", "no_batch_id"} {
		if !mutants[mutant] {
			t.Errorf("no plan is for the mutant %s", mutant)
		}
	}
}

func TestASeedRepeatsItself(t *testing.T) {
	p := &Plan{Seed: 3, Areas: 2, Drivers: 8, Border: 0.5, Steps: []Step{{AtMS: 100, Fault: ServerKill, Times: 9, EveryMS: 1000}, {AtMS: 500, Fault: RedisKill}}}
	first, homes := p.Expand(), p.DriverHomes()
	if len(first) != 10 || !reflect.DeepEqual(first, p.Expand()) || !reflect.DeepEqual(homes, p.DriverHomes()) {
		t.Fatal(first)
	}
	p.Seed++
	if reflect.DeepEqual(first, p.Expand()) || reflect.DeepEqual(homes, p.DriverHomes()) {
		t.Fatal("another seed does the same")
	}
}

func TestMistakesAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.json")
	for _, text := range []string{
		`{"nmae":"x"}`,
		`{"name":"x","about":"y","topology":"ring","servers":1,"areas":1,"drivers":1,"passengers":1,"think_ms":1,"step_ms":1,"duration_ms":5000,"min_trips":1,"steps":[]}`,
		`{"name":"x","about":"y","topology":"cluster","servers":1,"areas":1,"drivers":1,"passengers":1,"think_ms":1,"step_ms":1,"duration_ms":5000,"min_trips":1,"steps":[{"at_ms":1,"fault":"flood"}]}`,
		`{"name":"x","about":"y","topology":"cluster","servers":1,"areas":1,"drivers":1,"passengers":1,"think_ms":1,"step_ms":1,"duration_ms":5000,"min_trips":1,"steps":[{"at_ms":1,"fault":"replies"}]}`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(file); err == nil {
			t.Errorf("taken: %s", text)
		}
	}
}
