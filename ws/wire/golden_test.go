package wire

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// goldens returns the golden files by name. A name is the direction, the type,
// and for a second example of a type what is special about it.
func goldens(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = string(text)
	}
	return all
}

// compacted returns a frame without white space, as it travels.
func compacted(t testing.TB, frame string) string {
	t.Helper()
	value := jsontext.Value(frame)
	if err := value.Compact(); err != nil {
		t.Fatalf("%s: %v", frame, err)
	}
	return string(value)
}

// A golden file, decoded and encoded again, is the same frame to the byte.
func TestGolden(t *testing.T) {
	for name, frame := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			var again []byte
			switch direction, _, _ := strings.Cut(name, "_"); direction {
			case "client":
				f, err := DecodeClient([]byte(frame))
				if err != nil {
					t.Fatal(err)
				}
				if again, err = EncodeClient(f.Type, f.ID, f.Body); err != nil {
					t.Fatal(err)
				}
				checkName(t, name, f.Type)
			case "server":
				f := decodeServer(t, frame)
				var err error
				if again, err = EncodeServer(f.Type, f.Re, f.Body); err != nil {
					t.Fatal(err)
				}
				checkName(t, name, f.Type)
			default:
				t.Fatal("a golden file is called client_… or server_…")
			}
			if diff := cmp.Diff(compacted(t, frame), string(again)); diff != "" {
				t.Errorf("golden (-), encoded again (+):\n%s", diff)
			}
		})
	}
}

func checkName(t *testing.T, file string, typ Type) {
	t.Helper()
	_, rest, _ := strings.Cut(strings.TrimSuffix(file, ".json"), "_")
	if rest != string(typ) && !strings.HasPrefix(rest, string(typ)+"_") {
		t.Errorf("the frame is a %s", typ)
	}
}

// decodeServer decodes a frame of our own.
func decodeServer(t testing.TB, frame string) ServerFrame {
	t.Helper()
	f, err := DecodeServer([]byte(frame))
	if err != nil {
		t.Fatalf("%s: %v", frame, err)
	}
	if f.Body == nil {
		t.Fatalf("%s: unknown type", frame)
	}
	return f
}

func TestEveryTypeHasAGolden(t *testing.T) {
	shown := map[string]bool{}
	for name, frame := range goldens(t) {
		direction, _, _ := strings.Cut(name, "_")
		f, err := DecodeServer([]byte(frame)) // reads only t when the type is a client's
		if err != nil && direction == "server" {
			t.Errorf("%s: %v", name, err)
		}
		shown[direction+" "+string(f.Type)] = true
	}
	for _, typ := range ClientTypes() {
		if !shown["client "+string(typ)] {
			t.Errorf("no golden file shows a client's %s", typ)
		}
	}
	for _, typ := range ServerTypes() {
		if !shown["server "+string(typ)] {
			t.Errorf("no golden file shows the server's %s", typ)
		}
	}
}

// Every optional member appears in some golden file, so that the manual shows it.
func TestGoldensShowEveryMember(t *testing.T) {
	text := strings.Join(slices.Collect(maps.Values(goldens(t))), "\n")
	for _, c := range clientTypes {
		for _, m := range c.shape.members {
			if !strings.Contains(text, `"`+m.name+`":`) {
				t.Errorf("no golden file shows %s of %s", m.name, c.name)
			}
		}
	}
	for name := range serverMembers() {
		if !strings.Contains(text, `"`+name+`":`) {
			t.Errorf("no golden file shows %s", name)
		}
	}
}
