package redisstore

import (
	"context"
	"testing"
	"time"

	"cuntong/geo"
)

// A store of a test is unhurried, so that a busy machine changes nothing; where it is to
// notice that somebody does not answer, it is hurried, as the program is.
const (
	unhurried = 30 * time.Second
	hurried   = time.Nanosecond
)

// open opens a store and closes it with the test.
func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.patience == 0 {
		cfg.patience = unhurried
	}
	if cfg.Node == "" {
		cfg.Node = "node-a"
	}
	if cfg.Log == nil {
		cfg.Log = quiet()
	}
	s, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal("open:", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return s
}

func TestEmbedded(t *testing.T) {
	conform(t, func(t *testing.T) harness {
		return harness{store: open(t, Config{Mode: ModeEmbedded, LeaseFor: MaxLease})}
	})
}

func TestChild(t *testing.T) {
	needServer(t)
	conform(t, func(t *testing.T) harness {
		s := open(t, Config{Mode: ModeChild, DataDir: t.TempDir(), LeaseFor: MaxLease})
		return harness{store: s, crash: func() { killChild(t, s) }}
	})
}

func TestGiven(t *testing.T) {
	g := startGiven(t)
	conform(t, func(t *testing.T) harness {
		return harness{store: open(t, Config{Mode: g.url(), LeaseFor: MaxLease}), crash: func() { g.kill(); g.start() }}
	})
}

func TestKeysOfAnAreaShareAHashTag(t *testing.T) {
	k := keys{area: "rongjiang"}
	cell := must(geo.CellOf(rongjiang, CellResolution))(t)
	want := []string{"{rongjiang}:lease", "{rongjiang}:head", "{rongjiang}:journal", "{rongjiang}:snapshot", "{rongjiang}:h3:" + cell.String()}
	for i, got := range []string{k.lease(), k.head(), k.journal(), k.snapshot(), k.cell(cell)} {
		if got != want[i] {
			t.Errorf("key is %s, want %s", got, want[i])
		}
	}
	if back, err := k.cellOf(k.cell(cell)); err != nil || back != cell {
		t.Errorf("the cell of a key is %v, %v; want %v", back, err, cell)
	}
}
