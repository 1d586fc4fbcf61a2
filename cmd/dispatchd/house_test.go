package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arrows says which of our packages each of our packages may import. It is the
// picture in docs/DESIGN.md; a package that is not here is not in the house.
var arrows = map[string][]string{
	"geo":                           {},
	"geo/road":                      {"geo"},
	"geo/road/osm":                  {"geo", "geo/road"},
	"geo/road/terrain":              {"geo", "geo/road"},
	"geo/outside":                   {"geo"},
	"ws/wire":                       {},
	"ws/wire/pb":                    {},
	"web":                           {},
	"web/webtest":                   {},
	"bubble":                        {},
	"fault":                         {},
	"dispatch":                      {"fault", "geo"},
	"dispatch/redisstore":           {"dispatch", "fault", "geo"},
	"dispatch/redisstore/redistest": {},
	"hook":                          {"dispatch", "geo"},
	"dispatch/node":                 {"dispatch", "fault", "geo"},
	"ws":                            {"dispatch", "fault", "geo", "ws/wire"},
	"ws/client":                     {"ws/wire"},
	"ws/client/linktest":            {},
	"ws/memlink":                    {},
	"loadtest/plan":                 {"geo"},
	"loadtest/swarm":                {"loadtest/plan", "geo", "ws/client", "ws/wire"},
	"loadtest/report":               {"loadtest/plan", "loadtest/swarm"},
	"loadtest":                      {"loadtest/plan", "loadtest/swarm", "loadtest/report", "geo", "ws/wire"},
	"cmd/dispatchd":                 {"dispatch", "dispatch/node", "dispatch/redisstore", "fault", "geo", "geo/outside", "geo/road", "geo/road/osm", "geo/road/terrain", "hook", "loadtest/plan", "loadtest/swarm", "web", "ws"},
	"chaos/history":                 {},
	"chaos/proxy":                   {},
	"chaos/plan":                    {"chaos/proxy"},
	"chaos/phone":                   {"chaos/history", "ws/wire"},
	"chaos/oracle":                  {"chaos/history"},
	"chaos/stage":                   {"chaos/plan", "chaos/proxy", "dispatch/redisstore/redistest"},
	"chaos":                         {"chaos/history", "chaos/oracle", "chaos/phone", "chaos/plan", "chaos/stage", "dispatch", "dispatch/redisstore", "geo"},
	"eval":                          {"dispatch", "geo", "geo/road", "geo/road/osm"},
	"bench":                         {"dispatch", "dispatch/redisstore", "dispatch/redisstore/redistest", "geo", "geo/road", "geo/road/terrain", "ws", "ws/wire"},
}

// TestArrows fails on an import that the design does not draw.
func TestArrows(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for list := json.NewDecoder(strings.NewReader(string(out))); list.More(); {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := list.Decode(&pkg); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(pkg.ImportPath, "cuntong/")
		allowed, known := arrows[name]
		if !known {
			t.Errorf("package %s is not in the design", name)
		}
		for _, imported := range pkg.Imports {
			ours, ok := strings.CutPrefix(imported, "cuntong/")
			if ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s: the design draws no such arrow", name, ours)
			}
		}
	}
}

// goFiles parses every Go file of the module but tests and what programs have written.
func goFiles(t *testing.T, each func(path string, fset *token.FileSet, file *ast.File)) {
	t.Helper()
	parseFiles(t, func(path string) bool { return !strings.HasSuffix(path, "_test.go") }, each)
}

// parseFiles parses those Go files of the module that programs have not written.
func parseFiles(t *testing.T, which func(path string) bool, each func(path string, fset *token.FileSet, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || !which(path) {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err == nil && !ast.IsGenerated(file) {
			each(path, fset, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPackageSentences asks every package for the sentence that says what it is.
func TestPackageSentences(t *testing.T) {
	said := map[string]bool{}
	goFiles(t, func(path string, _ *token.FileSet, file *ast.File) {
		dir := filepath.Dir(path)
		doc := file.Doc.Text()
		said[dir] = said[dir] || strings.HasPrefix(doc, "Package "+file.Name.Name+" ") || strings.HasPrefix(doc, "Command ")
	})
	for dir, ok := range said {
		if !ok {
			t.Errorf("package %s does not say what it is: begin its doc with \"Package … \" or \"Command …\"", dir)
		}
	}
}

// maxFunctionLines is a screen.
const maxFunctionLines = 80

// TestFunctionsFitOnAScreen names those that do not.
func TestFunctionsFitOnAScreen(t *testing.T) {
	goFiles(t, func(path string, fset *token.FileSet, file *ast.File) {
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if lines := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1; lines > maxFunctionLines {
				t.Errorf("%s: %s has %d lines", path, fn.Name.Name, lines)
			}
		}
	})
}

// TestExportedNamesAreDocumented names those that are not.
func TestExportedNamesAreDocumented(t *testing.T) {
	goFiles(t, func(path string, _ *token.FileSet, file *ast.File) {
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc.Text() == "" && exportedReceiver(d) {
					t.Errorf("%s: %s has no doc", path, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.IsExported() && d.Doc.Text() == "" && ts.Doc.Text() == "" {
						t.Errorf("%s: type %s has no doc", path, ts.Name.Name)
					}
				}
			}
		}
	})
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.IsExported()
}

// TestBubbles fails on a test in virtual time that the race detector may die of.
func TestBubbles(t *testing.T) {
	parseFiles(t, func(path string) bool { return !strings.HasPrefix(path, "../../bubble/") }, func(path string, fset *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok || call.Sel.Name != "Test" {
				return true
			}
			if of, ok := call.X.(*ast.Ident); ok && of.Name == "synctest" {
				t.Errorf("%s: synctest.Test; begin by bubble.Test, which says why", fset.Position(call.Pos()))
			}
			return true
		})
	})
}
