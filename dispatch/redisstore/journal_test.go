package redisstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cuntong/dispatch"
)

func testAppendLoad(t *testing.T, h harness) {
	id := newArea()
	wantJournal(t, h, id, nil, 0, 0)
	a := h.writer(t, id)
	wantJournal(t, h, id, nil, 0, 0)
	for i, after := 1, dispatch.Seq(0); i <= 5; i++ {
		appendFacts(t, a, batch(i), after, i)
		after += dispatch.Seq(i)
		wantJournal(t, h, id, nil, 0, after)
	}
	entries := must(h.raw(t, id).XRange(t.Context(), a.keys.journal(), "-", "+").Result())(t)
	for i, e := range entries {
		want, err := dispatch.MarshalFact(facts(0, 15)[i])
		if err != nil || e.ID != fmt.Sprintf("%d-0", i+1) || e.Values["f"] != string(want) {
			t.Errorf("entry %d is %v, want field f with %s", i+1, e, want)
		}
	}
	head := must(h.raw(t, id).HGetAll(t.Context(), a.keys.head()).Result())(t)
	if diff := cmp.Diff(map[string]string{"seq": "15", "epoch": "1", "writer": a.token, "batch": "batch-5"}, head); diff != "" {
		t.Errorf("head (-want +got):\n%s", diff)
	}
}

func testAgain(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	appendFacts(t, a, "one", 0, 3)
	for range 3 {
		appendFacts(t, a, "one", 0, 3)
	}
	wantJournal(t, h, id, nil, 0, 3)
	appendFacts(t, a, "two", 3, 2)
	wantErr(t, "a batch before the last", dispatch.ErrBehind, func() error { return a.Append(t.Context(), "one", 0, facts(0, 3)) })
	wantErr(t, "the last id with other facts", dispatch.ErrBehind, func() error { return a.Append(t.Context(), "two", 3, facts(3, 1)) })
	wantJournal(t, h, id, nil, 0, 5)

	// A new writer may count its batches from one again.
	b := h.writer(t, id)
	wantErr(t, "an id of the writer before", dispatch.ErrBehind, func() error { return b.Append(t.Context(), "two", 3, facts(3, 2)) })
	appendFacts(t, b, "two", 5, 2)
	wantJournal(t, h, id, nil, 0, 7)
}

func testBehind(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	wantErr(t, "after a fact that is not there", dispatch.ErrBehind, func() error { return a.Append(t.Context(), "x", 1, facts(1, 1)) })
	appendFacts(t, a, "one", 0, 3)
	for _, after := range []dispatch.Seq{0, 2, 4, 1000} {
		wantErr(t, fmt.Sprintf("after %d of 3", after), dispatch.ErrBehind, func() error { return a.Append(t.Context(), "x", after, facts(after, 2)) })
	}
	wantJournal(t, h, id, nil, 0, 3)
	appendFacts(t, a, "two", 3, 1)
}

func testBatchLimits(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	long := dispatch.BatchID(strings.Repeat("x", MaxBatchID+1))
	for name, err := range map[string]error{
		"no facts":        a.Append(t.Context(), "x", 0, nil),
		"too many":        a.Append(t.Context(), "x", 0, facts(0, dispatch.MaxBatchFacts+1)),
		"wrong sequences": a.Append(t.Context(), "x", 0, facts(1, 1)),
		"no id":           a.Append(t.Context(), "", 0, facts(0, 1)),
		"long id":         a.Append(t.Context(), long, 0, facts(0, 1)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := h.store.Area("no/area").Append(t.Context(), "x", 0, facts(0, 1)); err == nil {
		t.Error("an area that is none: no error")
	}
	wantJournal(t, h, id, nil, 0, 0)
	appendFacts(t, a, long[:MaxBatchID], 0, 1)
}

func testLargestBatch(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	appendFacts(t, a, "one", 0, dispatch.MaxBatchFacts)
	appendFacts(t, a, "two", dispatch.MaxBatchFacts, dispatch.MaxBatchFacts)
	appendFacts(t, a, "two", dispatch.MaxBatchFacts, dispatch.MaxBatchFacts)
	wantJournal(t, h, id, nil, 0, 2*dispatch.MaxBatchFacts) // more than one page
}

func testAreasApart(t *testing.T, h harness) {
	one := newArea()
	two := one + "1" // a name that begins with the other's
	a, b := h.writer(t, one), h.writer(t, two)
	appendFacts(t, a, "one", 0, 2)
	appendFacts(t, b, "one", 0, 3)
	wantJournal(t, h, one, nil, 0, 2)
	wantJournal(t, h, two, nil, 0, 3)
	show(t, a, at("d1", rongjiang, now))
	show(t, b, at("d2", rongjiang, now))
	wantShown(t, h.store.Area(one), at("d1", rongjiang, now))
	wantShown(t, h.store.Area(two), at("d2", rongjiang, now))
}
