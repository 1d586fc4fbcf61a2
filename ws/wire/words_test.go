package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// source is what this package must agree on with others. It imports none of them,
// being a leaf, so the tests read their source.
type source struct {
	words   map[string]map[string]string // by type and constant
	numbers map[string]int64             // untyped constants
	codes   map[string]string            // kinds of the refusal codes
	follows map[string][]string          // states that may follow a state
}

func readSource(t *testing.T, folder string) *source {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source in %s: %v", folder, err)
	}
	s := &source{words: map[string]map[string]string{}, numbers: map[string]int64{}, codes: map[string]string{}, follows: map[string][]string{}}
	var parsed []*ast.File
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
		if err != nil {
			t.Skipf("%s does not parse at present: %v", file, err)
		}
		parsed = append(parsed, tree)
	}
	for _, tree := range parsed {
		ast.Inspect(tree, s.readConstant)
	}
	for _, tree := range parsed {
		ast.Inspect(tree, s.readRefusal)
		ast.Inspect(tree, s.readTransitions)
	}
	return s
}

func (s *source) readConstant(n ast.Node) bool {
	spec, ok := n.(*ast.ValueSpec)
	if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 {
		return true
	}
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok {
		return true
	}
	typ, _ := spec.Type.(*ast.Ident)
	switch {
	case literal.Kind == token.STRING && typ != nil:
		if s.words[typ.Name] == nil {
			s.words[typ.Name] = map[string]string{}
		}
		s.words[typ.Name][spec.Names[0].Name], _ = strconv.Unquote(literal.Value)
	case literal.Kind == token.INT && typ == nil:
		s.numbers[spec.Names[0].Name], _ = strconv.ParseInt(literal.Value, 0, 64)
	}
	return true
}

// readRefusal finds refuse(Kind, "code", …), limited("code", …) and Refusal{Kind: …, Code: …}.
func (s *source) readRefusal(n ast.Node) bool {
	var kind, code ast.Expr
	switch n := n.(type) {
	case *ast.CallExpr:
		name, _ := n.Fun.(*ast.Ident)
		switch {
		case name != nil && name.Name == "refuse":
			kind, code = n.Args[0], n.Args[1]
		case name != nil && name.Name == "limited":
			kind, code = ast.NewIdent("Limited"), n.Args[0]
		}
	case *ast.CompositeLit:
		for _, element := range n.Elts {
			pair, _ := element.(*ast.KeyValueExpr)
			if pair == nil {
				continue
			}
			switch key, _ := pair.Key.(*ast.Ident); {
			case key != nil && key.Name == "Kind":
				kind = pair.Value
			case key != nil && key.Name == "Code":
				code = pair.Value
			}
		}
	}
	literal, _ := code.(*ast.BasicLit)
	name, _ := kind.(*ast.Ident)
	if literal != nil && name != nil {
		text, _ := strconv.Unquote(literal.Value)
		s.codes[text] = s.words["Kind"][name.Name]
	}
	return true
}

func (s *source) readTransitions(n ast.Node) bool {
	spec, ok := n.(*ast.ValueSpec)
	if !ok || spec.Names[0].Name != "transitions" || len(spec.Values) != 1 {
		return true
	}
	for _, element := range spec.Values[0].(*ast.CompositeLit).Elts {
		pair := element.(*ast.KeyValueExpr)
		from, ok := pair.Key.(*ast.Ident)
		if !ok {
			continue // from nothing to requested
		}
		state := s.words["State"][from.Name]
		s.follows[state] = nil
		if list, ok := pair.Value.(*ast.CompositeLit); ok {
			for _, next := range list.Elts {
				s.follows[state] = append(s.follows[state], s.words["State"][next.(*ast.Ident).Name])
			}
		}
	}
	return false
}

// The words that travel are the domain's own, so that the edge may hand them
// through as they are.
func TestWordsAreTheDomains(t *testing.T) {
	dispatch, geo := readSource(t, "dispatch"), readSource(t, "geo")
	states := []string{StateRequested, StateOffered, StateParked, StateAssigned, StateArrived, StateRiding, StateCompleted, StateCancelled, StateUnserved}
	tests := []struct {
		what string
		of   map[string]string
		here []string
	}{
		{"states", dispatch.words["State"], states},
		{"reasons", dispatch.words["Reason"], append(Reasons(), "no_driver", "overdue")},
		{"channels", dispatch.words["Channel"], []string{ChannelApp, ChannelAgent, ChannelDesk, ChannelText, "standing_order"}},
		{"kinds of refusal", dispatch.words["Kind"], []string{KindInvalid, KindNotFound, KindConflict, KindLapsed, KindForbidden, KindLimited, KindUnavailable}},
		{"ends of an offer", dispatch.words["OfferEnd"], []string{EndLapsed, EndUnseen, EndWithdrawn, "declined"}},
		{"roles", dispatch.words["Role"], append(slices.Clone(everybody), "system")},
		{"kinds of stop", dispatch.words["StopKind"], []string{StopPickup, StopDropoff}},
		{"kinds of road", geo.words["RoadKind"], slices.Clone(roadKinds)},
		{"classes of vehicle", geo.words["VehicleClass"], slices.Clone(vehicleClasses)},
		{"datums", geo.words["Datum"], []string{DatumWGS84, DatumGCJ02, DatumBD09}},
	}
	for _, test := range tests {
		of := slices.Sorted(maps.Values(test.of))
		slices.Sort(test.here)
		if diff := cmp.Diff(of, test.here); diff != "" {
			t.Errorf("%s: the domain's (-), the wire's (+):\n%s", test.what, diff)
		}
		text := manual(t)
		for _, word := range test.here {
			if word != "declined" && !regexp.MustCompile(`\b`+word+`\b`).MatchString(text) {
				t.Errorf("the manual does not speak of %s, which is one of the %s", word, test.what)
			}
		}
	}
	for _, class := range geo.words["VehicleClass"] {
		if row := regexp.MustCompile("(?m)^\\| `class`.*\\b" + class + "\\b"); !row.MatchString(manual(t)) {
			t.Errorf("the manual does not list the vehicle class %s", class)
		}
	}
	for name, here := range map[string]int64{"maxSeats": MaxSeats, "maxWheelchairs": MaxWheelchairs, "maxGoodsLitres": MaxGoodsL, "MaxIDLength": MaxIDBytes,
		"MaxFen": MaxFen, "MaxTrack": MaxTrackFixes} {
		if there, ok := dispatch.numbers[name]; !ok || there != here {
			t.Errorf("the dispatcher's %s is %d, here it is %d", name, there, here)
		}
	}
}

// rows returns the rows of the manual's table that begins with head, as cells
// without their marks.
func rows(t *testing.T, head string) [][]string {
	t.Helper()
	_, after, found := strings.Cut(manual(t), "\n"+head+"\n")
	if !found {
		t.Fatalf("the manual has no table %s", head)
	}
	var all [][]string
	for line := range strings.Lines(after) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "`", "")
		}
		all = append(all, cells)
	}
	return all
}

func TestManualStates(t *testing.T) {
	shown := map[string][]string{}
	for _, row := range rows(t, "| state | means | may become |") {
		shown[row[0]] = nil
		if row[2] != "" {
			shown[row[0]] = strings.Split(row[2], ", ")
		}
	}
	if diff := cmp.Diff(readSource(t, "dispatch").follows, shown); diff != "" {
		t.Errorf("the dispatcher's (-), the manual's (+):\n%s", diff)
	}
}

func TestManualKinds(t *testing.T) {
	var shown []string
	for _, row := range rows(t, "| kind | do this |") {
		shown = append(shown, row[0])
	}
	want := []string{KindInvalid, KindNotFound, KindConflict, KindLapsed, KindForbidden, KindLimited, KindUnavailable}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("code (-), manual (+):\n%s", diff)
	}
}

// The manual lists every code of the dispatcher with its kind.
func TestManualDispatcherCodes(t *testing.T) {
	want := readSource(t, "dispatch").codes
	for _, info := range Codes() {
		if kind, ok := want[info.Code]; ok && kind != info.Kind {
			t.Errorf("%s is %s here and %s in the dispatcher", info.Code, info.Kind, kind)
		}
		delete(want, info.Code)
	}
	shown := map[string]string{}
	for _, row := range rows(t, "| dispatcher's code | kind | means |") {
		shown[row[0]] = row[1]
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("the dispatcher's (-), the manual's (+):\n%s", diff)
	}
}
