package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// parentFolder makes the test program a parent that starts a child server in the
// folder and waits to be killed.
const parentFolder = "REDISSTORE_PARENT_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentFolder); dir != "" {
		beParent(dir)
	}
	// The client library looks for a server that did not answer once a second, and sees
	// only then that its pool has been closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// beParent says "ready" once its child answers. It ends with its standard input,
// should nobody kill it.
func beParent(dir string) {
	s, err := Open(context.Background(), Config{Mode: ModeChild, DataDir: dir, Node: "parent", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println("cannot open:", err)
		os.Exit(1)
	}
	fmt.Println("ready", s.Addr())
	io.Copy(io.Discard, os.Stdin)
	s.Close()
	os.Exit(0)
}

// patience bounds every wait of a test. It is no expectation.
const patience = 2 * time.Minute

// eventually waits until ok says yes.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !ok() {
		if !pause(ctx, 5*time.Millisecond) {
			t.Fatalf("still waiting after %v until %s", patience, what)
		}
	}
}

// must returns v, or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// logBook collects what is logged.
type logBook struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newLogBook() (*logBook, *slog.Logger) {
	b := &logBook{}
	return b, slog.New(slog.NewTextHandler(b, nil))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
