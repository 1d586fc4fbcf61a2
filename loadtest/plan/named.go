package plan

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed scenarios/*.json
var scenarios embed.FS

// Names lists the scenarios that come with the program.
func Names() []string {
	entries, err := scenarios.ReadDir("scenarios")
	if err != nil {
		panic("plan: the scenarios are not in the program: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	return names
}

// Named returns a scenario that comes with the program.
func Named(name string) (Scenario, error) {
	file, err := scenarios.ReadFile("scenarios/" + name + ".json")
	if err != nil {
		return Scenario{}, fmt.Errorf("no scenario is called %.40q: want one of %s", name, strings.Join(Names(), ", "))
	}
	return Decode(file)
}
