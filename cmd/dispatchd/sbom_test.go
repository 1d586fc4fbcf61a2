package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestSBOM holds the bill against what CycloneDX 1.6 requires, and against "go version -m".
func TestSBOM(t *testing.T) {
	out, err := program(t, "version", "--sbom")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var bill map[string]any
	if err := json.Unmarshal([]byte(out), &bill); err != nil {
		t.Fatal(err)
	}
	if bill["bomFormat"] != "CycloneDX" || bill["specVersion"] != "1.6" || bill["version"] != 1.0 {
		t.Errorf("it is %v %v %v", bill["bomFormat"], bill["specVersion"], bill["version"])
	}
	parts := append([]any{bill["metadata"].(map[string]any)["component"]}, bill["components"].([]any)...)
	refs := map[string]bool{}
	for _, p := range parts {
		part := p.(map[string]any)
		ref, _ := part["bom-ref"].(string)
		if kind := part["type"]; part["name"] == "" || ref == "" || refs[ref] || kind != "library" && kind != "application" {
			t.Errorf("part %v", part)
		}
		refs[ref] = true
	}
	for _, d := range bill["dependencies"].([]any) {
		for _, ref := range d.(map[string]any)["dependsOn"].([]any) {
			if !refs[ref.(string)] {
				t.Errorf("it depends on %v, which is not in it", ref)
			}
		}
	}
	listed, err := exec.Command("go", "version", "-m", os.Args[0]).Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := 0
	for line := range strings.Lines(string(listed)) {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[0] == "dep" {
			modules++
			if !strings.Contains(out, `"pkg:golang/`+fields[1]+"@"+fields[2]+`"`) {
				t.Errorf("%s %s is missing", fields[1], fields[2])
			}
		}
	}
	if modules < 10 || len(parts) != modules+2 {
		t.Errorf("%d parts, and %d modules in the program", len(parts), modules)
	}
}

// TestVulnSaysThatItDidNotLook: without a database nothing is built and nothing is called good.
func TestVulnSaysThatItDidNotLook(t *testing.T) {
	cmd := exec.Command("../../scripts/vuln")
	cmd.Env = append(os.Environ(), "GOVULNDB=file://"+t.TempDir())
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 4 || !strings.Contains(string(out), "NOTHING WAS LOOKED AT") || !strings.Contains(string(out), "vulndb.zip") {
		t.Errorf("without a database: %v\n%s", err, out)
	}
}
