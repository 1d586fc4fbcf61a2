package web_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// vocabulary is every word of the server's that the page puts into a reader's language.
type vocabulary struct {
	Names    map[string][]string `json:"names"` // by the kind that words.js gives them
	Refusals []string            `json:"refusals"`
	Closes   []int               `json:"closes"`
}

// readVocabulary takes the words from the server's code: from its tables where it has
// them, else from its source.
func readVocabulary(t *testing.T) vocabulary {
	t.Helper()
	v := vocabulary{Names: map[string][]string{
		"role":  {wire.RoleDriver, wire.RolePassenger, wire.RoleAgent, wire.RoleOperator, "system"},
		"why":   constants(t, "dispatch", "Reason"),
		"sign":  constants(t, "dispatch", "Sign"),
		"class": constants(t, "geo", "VehicleClass"),
	}}
	for _, state := range dispatch.States() {
		v.Names["state"] = append(v.Names["state"], string(state))
	}
	codes := map[string]bool{}
	for _, info := range wire.Codes() {
		codes[info.Code] = true
	}
	for _, folder := range []string{"dispatch", "ws"} {
		inspect(t, folder, func(n ast.Node) { noteRefusal(codes, n) })
	}
	v.Refusals = slices.Sorted(maps.Keys(codes))
	for _, info := range wire.CloseCodes() {
		v.Closes = append(v.Closes, int(info.Code))
	}
	return v
}

// inspect walks the source of a package.
func inspect(t *testing.T, folder string, see func(ast.Node)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source in %s: %v", folder, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool { see(n); return true })
	}
}

// constants are the values of a package's constants of a type.
func constants(t *testing.T, folder, typ string) []string {
	t.Helper()
	var values []string
	inspect(t, folder, func(n ast.Node) {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return
		}
		name, _ := spec.Type.(*ast.Ident)
		if text, ok := literal(spec.Values[0]); ok && name != nil && name.Name == typ && text != "" {
			values = append(values, text)
		}
	})
	if len(values) < 3 {
		t.Fatalf("%s has only %q of %s: it is defined in another way now", folder, values, typ)
	}
	return values
}

// noteRefusal finds refuse(Kind, "code", …), limited("code", …) and what has a Code: "code".
func noteRefusal(codes map[string]bool, n ast.Node) {
	switch n := n.(type) {
	case *ast.CallExpr:
		name, _ := n.Fun.(*ast.Ident)
		for i, argument := range n.Args[:min(2, len(n.Args))] {
			if text, ok := literal(argument); ok && name != nil && (name.Name == "refuse" && i == 1 || name.Name == "limited" && i == 0) {
				codes[text] = true
			}
		}
	case *ast.KeyValueExpr:
		key, _ := n.Key.(*ast.Ident)
		if text, ok := literal(n.Value); ok && key != nil && key.Name == "Code" {
			codes[text] = true
		}
	}
}

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}

// The list is read out of source, so it is held against the list for people, which other
// tests hold against what the server does.
func TestVocabularyIsThatOfTheManual(t *testing.T) {
	manual, err := os.ReadFile("../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	v := readVocabulary(t)
	for _, code := range v.Refusals {
		if !strings.Contains(string(manual), "\n| `"+code+"` | `") {
			t.Errorf("PROTOCOL.md has no row for the refusal %s", code)
		}
	}
	rows := 0
	for _, line := range strings.Split(string(manual), "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) == 3 && strings.HasPrefix(line, "| `") && slices.Contains([]string{"`invalid`", "`not_found`", "`conflict`", "`lapsed`", "`forbidden`", "`limited`", "`unavailable`"}, cells[1]) {
			rows++
			if code := strings.Trim(cells[0], "| `"); !slices.Contains(v.Refusals, code) {
				t.Errorf("the list has not %s, which is in PROTOCOL.md", code)
			}
		}
	}
	if rows != len(v.Refusals) || len(v.Closes) < 10 {
		t.Errorf("PROTOCOL.md has %d refusals, the list %d; %d closes", rows, len(v.Refusals), len(v.Closes))
	}
}

func (v vocabulary) encode(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
