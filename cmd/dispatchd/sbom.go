package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
)

// sbom is a bill of materials in the form of CycloneDX 1.6 (ECMA-424, https://cyclonedx.org/docs/1.6/json/): bomFormat and
// specVersion must be there, and of each component its type and name. It is made of what the Go linker wrote into the
// program, which is what "go version -m" prints, so it says what is in this program and not what a list says should be.
type sbom struct {
	Schema       string         `json:"$schema"`
	BOMFormat    string         `json:"bomFormat"`
	SpecVersion  string         `json:"specVersion"`
	Version      int            `json:"version"`
	Metadata     sbomMetadata   `json:"metadata"`
	Components   []sbomPart     `json:"components"`
	Dependencies []sbomRelation `json:"dependencies"`
}

type sbomMetadata struct {
	// Timestamp is that of the commit, so that one program has one bill.
	Timestamp string   `json:"timestamp,omitempty"`
	Component sbomPart `json:"component"`
}

type sbomPart struct {
	Type       string         `json:"type"`
	Ref        string         `json:"bom-ref"`
	Name       string         `json:"name"`
	Version    string         `json:"version,omitempty"`
	PURL       string         `json:"purl,omitempty"`
	Properties []sbomProperty `json:"properties,omitempty"`
}

type sbomProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// sbomRelation says what a part is made with. The linker does not record which module needs which, so
// all are said of the program.
type sbomRelation struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// writeSBOM writes this program's bill of materials.
func writeSBOM(out io.Writer) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("the program does not say what it was built from")
	}
	text, err := json.MarshalIndent(billOf(info), "", "  ")
	if err != nil {
		return err
	}
	_, err = out.Write(append(text, '\n'))
	return err
}

func billOf(info *debug.BuildInfo) sbom {
	settings := map[string]string{}
	program := sbomPart{Type: "application", Ref: "dispatchd", Name: "dispatchd", Version: version}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
		if s.Key != "-ldflags" { // it holds paths of the machine that built
			program.Properties = append(program.Properties, sbomProperty{"go:" + s.Key, s.Value})
		}
	}
	bill := sbom{Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", BOMFormat: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: sbomMetadata{Timestamp: settings["vcs.time"], Component: program}}
	toolchain := strings.TrimPrefix(info.GoVersion, "go")
	bill.Components = []sbomPart{{Type: "library", Ref: "stdlib", Name: "stdlib", Version: toolchain, PURL: "pkg:golang/stdlib@" + toolchain}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		purl := "pkg:golang/" + m.Path + "@" + url.PathEscape(m.Version)
		part := sbomPart{Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl}
		if m.Sum != "" {
			part.Properties = []sbomProperty{{"go:sum", m.Sum}}
		}
		bill.Components = append(bill.Components, part)
	}
	all := sbomRelation{Ref: program.Ref}
	for _, part := range bill.Components {
		all.DependsOn = append(all.DependsOn, part.Ref)
	}
	slices.Sort(all.DependsOn)
	bill.Dependencies = []sbomRelation{all}
	return bill
}
