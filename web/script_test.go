package web_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cuntong/web/webtest"
	"cuntong/ws/wire"
)

// TestScripts runs the tests of the page's scripts, with the server's own table of
// close codes to hold the client against, and all of its words.
func TestScripts(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node on PATH: the scripts of the page are not tested on their own (apt-get install nodejs)")
	}
	codes, err := json.Marshal(wire.CloseCodes())
	if err != nil {
		t.Fatal(err)
	}
	tests, err := filepath.Glob("jstest/*.test.js")
	if err != nil || len(tests) == 0 {
		t.Fatalf("no tests in jstest: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), webtest.Patience)
	defer cancel()
	// All in one process: starting one for each file takes longer than the tests.
	all := "import './" + strings.Join(tests, "'; import './") + "';"
	cmd := exec.CommandContext(ctx, node, "--test-reporter=spec", "--input-type=module", "-e", all)
	cmd.Env = append(os.Environ(), "CLOSE_CODES="+string(codes), "VOCABULARY="+readVocabulary(t).encode(t))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("node --test: %v\n%s", err, out)
	}
}
