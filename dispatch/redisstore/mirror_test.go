package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"cuntong/dispatch"
	"cuntong/geo"
)

const now dispatch.Instant = 1_764_000_000_000

// Two towns in different cells.
var (
	rongjiang = geo.Point{Lat: 25.931893, Lon: 108.521881}
	congjiang = geo.Point{Lat: 25.754321, Lon: 108.905432}
)

// at is a position with everything set.
func at(driver dispatch.DriverID, p geo.Point, when dispatch.Instant) dispatch.MirrorFix {
	return dispatch.MirrorFix{Free: true, Fix: dispatch.Fix{
		Driver: driver, Point: p, At: when, Received: when + 40,
		AccuracyMeters: 12.5, HeadingDegrees: 270, SpeedMPS: 8.25,
	}}
}

func show(t *testing.T, a *Area, fixes ...dispatch.MirrorFix) {
	t.Helper()
	persist(t, "show", func() error { return a.Show(t.Context(), fixes, nil) })
}

func forget(t *testing.T, a *Area, gone ...dispatch.DriverID) {
	t.Helper()
	persist(t, "forget", func() error { return a.Show(t.Context(), nil, gone) })
}

// wantShown reads the mirror as another writer would.
func wantShown(t *testing.T, a *Area, want ...dispatch.MirrorFix) {
	t.Helper()
	var got []dispatch.Fix
	persist(t, "shown", func() (err error) {
		got, err = a.Shown(t.Context(), now, time.Minute.Milliseconds())
		return err
	})
	fixes := []dispatch.Fix{}
	for _, m := range want {
		fixes = append(fixes, m.Fix)
	}
	if diff := cmp.Diff(fixes, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
}

// wantCells compares what really lies in Redis: cell -> drivers.
func wantCells(t *testing.T, h harness, a *Area, want map[geo.Point][]string) {
	t.Helper()
	raw := h.raw(t, a.keys.area)
	got := map[string][]string{}
	for _, key := range must(raw.Keys(t.Context(), a.keys.cells()).Result())(t) {
		got[key] = must(raw.HKeys(t.Context(), key).Result())(t)
	}
	wanted := map[string][]string{}
	for p, drivers := range want {
		wanted[a.keys.cell(cellAt(t, p))] = drivers
	}
	sorted := cmpopts.SortSlices(func(x, y string) bool { return x < y })
	if diff := cmp.Diff(wanted, got, sorted); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
}

func cellAt(t *testing.T, p geo.Point) geo.Cell {
	return must(geo.CellOf(p, CellResolution))(t)
}

func counter(t testing.TB, v *prometheus.CounterVec, labels ...string) float64 {
	t.Helper()
	return testutil.ToFloat64(v.WithLabelValues(labels...))
}

func testMirrorMoves(t *testing.T, h harness) {
	a := h.store.Area(newArea())
	show(t, a, at("d1", rongjiang, now), at("d2", rongjiang, now))
	wantCells(t, h, a, map[geo.Point][]string{rongjiang: {"d1", "d2"}})
	show(t, a, at("d1", congjiang, now+1))
	wantCells(t, h, a, map[geo.Point][]string{rongjiang: {"d2"}, congjiang: {"d1"}})
	show(t, a, at("d1", rongjiang, now+2), at("d2", congjiang, now+2))
	wantCells(t, h, a, map[geo.Point][]string{rongjiang: {"d1"}, congjiang: {"d2"}})
	// Twice in one call: the later counts.
	show(t, a, at("d1", congjiang, now+3), at("d1", rongjiang, now+4), at("d2", rongjiang, now+3))
	wantCells(t, h, a, map[geo.Point][]string{rongjiang: {"d1", "d2"}})
	wantShown(t, a, at("d1", rongjiang, now+4), at("d2", rongjiang, now+3))

	ttl := must(h.raw(t, a.keys.area).TTL(t.Context(), a.keys.cell(cellAt(t, rongjiang))).Result())(t)
	if ttl <= 0 || ttl > CellLife {
		t.Errorf("the cell lives for %v, want up to %v", ttl, CellLife)
	}
	forget(t, a, "d1", "unheard-of")
	wantCells(t, h, a, map[geo.Point][]string{rongjiang: {"d2"}})
	if err := a.Show(t.Context(), []dispatch.MirrorFix{at("d2", congjiang, now+5)}, []dispatch.DriverID{"d2"}); err != nil {
		t.Fatal(err)
	}
	wantCells(t, h, a, nil)
	show(t, a)
}

func testMirrorShown(t *testing.T, h harness) {
	id := newArea()
	a := h.store.Area(id)
	wantShown(t, a)
	var all []dispatch.MirrorFix
	for i := range dispatch.MaxMirrorBatch {
		p := geo.Point{Lat: 25.5 + float64(i%32)*0.02, Lon: 108.5 + float64(i/32)*0.02}
		m := at(dispatch.DriverID(fmt.Sprintf("d%04d", i)), p, now-dispatch.Instant(i))
		m.Free = i%2 == 0
		if i%3 == 0 {
			m.Fix.HeadingDegrees, m.Fix.SpeedMPS, m.Fix.AccuracyMeters = -1, -1, 0
		}
		all = append(all, m)
	}
	show(t, a, all...)
	next := h.peer(t, "node-b").Area(id)
	wantShown(t, next, all...)

	// The next writer knows where everybody stands, so they leave no ghost with it either.
	gone := []dispatch.DriverID{}
	for _, m := range all[1:] {
		gone = append(gone, m.Fix.Driver)
	}
	if err := next.Show(t.Context(), []dispatch.MirrorFix{at("d0000", congjiang, now)}, gone); err != nil {
		t.Fatal(err)
	}
	wantCells(t, h, a, map[geo.Point][]string{congjiang: {"d0000"}})
}

func testMirrorSweeps(t *testing.T, h harness) {
	id := newArea()
	raw := h.raw(t, id)
	a := h.store.Area(id)
	put := func(p geo.Point, driver, text string) {
		t.Helper()
		if err := raw.HSet(t.Context(), a.keys.cell(cellAt(t, p)), driver, text).Err(); err != nil {
			t.Fatal(err)
		}
	}
	packedAt := func(m dispatch.MirrorFix) string { return must(pack(m))(t).text }
	minute := dispatch.Instant(time.Minute.Milliseconds())

	fresh := at("fresh", rongjiang, now-minute)
	put(rongjiang, "fresh", packedAt(fresh))
	put(rongjiang, "old", packedAt(at("old", rongjiang, now-minute-1)))
	put(rongjiang, "future", packedAt(at("future", rongjiang, now+minute+1)))
	newer := at("double", congjiang, now-5)
	put(rongjiang, "double", packedAt(at("double", rongjiang, now-6)))
	put(congjiang, "double", packedAt(newer))
	put(rongjiang, "rubbish", "1,2,3")
	put(rongjiang, "misplaced", packedAt(at("misplaced", congjiang, now)))
	put(rongjiang, "bad id {}", packedAt(fresh))
	put(congjiang, "last", strings.Repeat("9", 1<<16))
	raw.HSet(t.Context(), a.keys.cellPrefix()+"nowhere", "d1", packedAt(fresh))
	raw.Set(t.Context(), a.keys.cellPrefix()+"8841a5a5a5fffff", "a string", 0)

	s := h.peer(t, "node-b")
	b := s.Area(id)
	wantShown(t, b, newer, fresh)
	wantCells(t, h, a, map[geo.Point][]string{rongjiang: {"fresh"}, congjiang: {"double"}})
	for reason, want := range map[string]float64{"old": 2, "doubled": 1, "damaged": 6} {
		if got := counter(t, s.metrics.mirrorSweeps, reason); got != want {
			t.Errorf("%v swept as %s, want %v", got, reason, want)
		}
	}

	// A driver who falls silent goes from a cell that others keep alive.
	show(t, b, at("busy", rongjiang, now), at("quiet", rongjiang, now))
	silence := dispatch.Instant(CellLife.Milliseconds())
	show(t, b, at("busy", rongjiang, now+silence))
	wantCells(t, h, a, map[geo.Point][]string{rongjiang: {"busy", "quiet"}})
	show(t, b, at("busy", rongjiang, now+2*silence))
	wantCells(t, h, a, map[geo.Point][]string{rongjiang: {"busy"}})
}

func testMirrorDrops(t *testing.T, h harness) {
	s := h.peer(t, "node-b")
	a := s.Area(newArea())
	nowhere := at("nowhere", geo.Point{Lat: 91}, now)
	timeless := at("timeless", rongjiang, 0)
	timeless.Fix.Received = 0
	show(t, a, nowhere, at("d1", rongjiang, now), timeless)
	wantCells(t, h, a, map[geo.Point][]string{rongjiang: {"d1"}})
	many := make([]dispatch.MirrorFix, dispatch.MaxMirrorBatch+3)
	for i := range many {
		many[i] = at(dispatch.DriverID(fmt.Sprintf("m%d", i)), congjiang, now)
	}
	show(t, a, many...)
	for reason, want := range map[string]float64{"invalid": 2, "batch_full": 3} {
		if got := counter(t, s.metrics.mirrorDrops, reason); got != want {
			t.Errorf("%v dropped as %s, want %v", got, reason, want)
		}
	}
	if got := testutil.ToFloat64(s.metrics.mirrorWrites); got != 1+dispatch.MaxMirrorBatch {
		t.Errorf("%v writes were counted, want %d", got, 1+dispatch.MaxMirrorBatch)
	}
	if err := s.Area("No Area").Show(t.Context(), many, nil); err == nil {
		t.Error("an area that is none: no error")
	}
}

func testMirrorOutage(t *testing.T, h harness) {
	id := newArea()
	p := startProxy(t, h.front(t, id))
	s := h.at(t, p.through(), "node-b")
	a := s.Area(id)
	show(t, a, at("d1", rongjiang, now), at("d2", rongjiang, now), at("d3", rongjiang, now))

	p.on(func([]string, []byte) fate { return fate{hangUp: true} })
	if err := a.Show(t.Context(), []dispatch.MirrorFix{at("d1", congjiang, now+1)}, []dispatch.DriverID{"d2"}); err == nil {
		t.Fatal("a show whose reply was lost is no error")
	}
	p.on(nil)
	if got := counter(t, s.metrics.mirrorDrops, "unreachable"); got != 1 {
		t.Errorf("%v positions were counted as dropped, want 1", got)
	}
	// What was asked for in vain is made up for, and nothing else is.
	show(t, a, at("d3", congjiang, now+2))
	show(t, a, at("d1", rongjiang, now+3))
	wantCells(t, h, a, map[geo.Point][]string{rongjiang: {"d1"}, congjiang: {"d3"}})
	if len(a.ghost) != 0 {
		t.Errorf("%d removals are still remembered", len(a.ghost))
	}

	// An outage without end does not fill the memory.
	p.close()
	for range maxGhosts/dispatch.MaxMirrorBatch + 2 {
		var fixes []dispatch.MirrorFix
		var gone []dispatch.DriverID
		for i := range dispatch.MaxMirrorBatch {
			id := dispatch.DriverID(fmt.Sprintf("g%d-%d", len(a.ghost), i))
			fixes, gone = append(fixes, at(id, rongjiang, now+4)), append(gone, id)
		}
		a.Show(t.Context(), fixes, nil)
		a.Show(t.Context(), nil, gone)
	}
	if len(a.ghost) != maxGhosts || len(a.shown) > 10 {
		t.Errorf("%d removals and %d drivers are remembered, want %d and a few", len(a.ghost), len(a.shown), maxGhosts)
	}
	if counter(t, s.metrics.mirrorDrops, "removals_full") == 0 {
		t.Error("forgotten removals were not counted")
	}
}
