package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var rewrite = flag.Bool("rewrite", false, "write the tables of README.md anew")

const readme = "../../README.md"

// TestDocs holds the tables of README.md against the program.
func TestDocs(t *testing.T) {
	for marker, table := range map[string]string{"config": configTable(t), "metrics": metricsTable(t)} {
		t.Run(marker, func(t *testing.T) { holdTable(t, marker, table) })
	}
}

func holdTable(t *testing.T, marker, table string) {
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+marker+" -->\n", "<!-- /"+marker+" -->"
	head, rest, ok1 := strings.Cut(string(data), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("README.md has no place for the table %s", marker)
	}
	if old == table {
		return
	}
	if !*rewrite {
		t.Fatalf("the table %s in README.md is not what the program says; run: go test ./cmd/dispatchd -run Docs -rewrite", marker)
	}
	if err := os.WriteFile(readme, []byte(head+begin+table+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

func configTable(t *testing.T) string {
	var commands cli
	parser, err := newParser(&commands, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| flag | variable | default | what |\n|---|---|---|---|\n")
	for _, node := range parser.Model.Children {
		if node.Name != "serve" {
			continue
		}
		for _, f := range node.Flags {
			def := f.Default
			if def == "" && f.IsBool() {
				def = "false"
			}
			if def != "" {
				def = "`" + def + "`"
			}
			fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s |\n", f.Name, strings.Join(f.Envs, " "), def, strings.ReplaceAll(f.Help, "|", "\\|"))
		}
	}
	return b.String()
}

// descText is how a prometheus.Desc writes itself; there is no other way to ask it.
var descText = regexp.MustCompile(`fqName: "([^"]+)", help: "([^"]*)", (?:unit: "[^"]*", )?constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)

// TestDocsNameOnlyMetricsThatExist looks for metrics in every document.
func TestDocsNameOnlyMetricsThatExist(t *testing.T) {
	table := metricsTable(t)
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(docs) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	name := regexp.MustCompile(`cuntong_[a-z_]+[a-z]`)
	for _, path := range append(docs, readme, "../../CHANGELOG.md") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range name.FindAllString(string(data), -1) {
			if !strings.Contains(table, "`"+found+"`") {
				t.Errorf("%s speaks of %s: there is no such metric", path, found)
			}
		}
	}
}

func metricsTable(t *testing.T) string {
	reg := builtRegistry(t)
	ch := make(chan *prometheus.Desc, 1000)
	reg.Describe(ch)
	close(ch)
	var rows []string
	for desc := range ch {
		m := descText.FindStringSubmatch(desc.String())
		if m == nil {
			t.Fatalf("%s does not read like a description", desc)
		}
		if !strings.HasPrefix(m[1], "cuntong_") {
			continue // Go's own and the process's
		}
		labels := m[4]
		if labels != "" {
			labels = "`" + strings.ReplaceAll(labels, ",", "`, `") + "`"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", m[1], labels, m[2]))
	}
	slices.Sort(rows)
	rows = slices.Compact(rows)
	if len(rows) < 30 {
		t.Fatalf("only %d metrics are described", len(rows))
	}
	return "| metric | labels | what |\n|---|---|---|\n" + strings.Join(rows, "")
}

// builtRegistry puts a server together without running it, and returns its metrics.
func builtRegistry(t *testing.T) *prometheus.Registry {
	t.Helper()
	s := builtServer(t, "--oidc-issuer", "https://id.example", "--oidc-jwks", "http://127.0.0.1:1/", "--oidc-audience", "cuntong")
	return s.registry
}

// builtServer puts a server together, on free ports and an embedded store.
func builtServer(t *testing.T, args ...string) *server {
	t.Helper()
	var commands cli
	parser, err := newParser(&commands, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	all := append([]string{"serve", "--redis", "embedded", "--listen", "127.0.0.1:0", "--private-listen", "127.0.0.1:0", "--data-dir", t.TempDir()}, args...)
	if _, err := parser.Parse(all); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := &server{cfg: &commands.Serve, std: &std{ctx: t.Context(), out: io.Discard, err: &log}, log: newLog(&log, "json", "info")}
	t.Cleanup(s.close)
	if err := s.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}
