package ws

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// A phone that is an hour behind, and says so in hello, has done at ten what it says it did at nine.
func TestDeedsAreMovedOntoOurClock(t *testing.T) {
	const hour, now = 3_600_000, dispatch.Instant(100_000_000)
	done := func(at dispatch.Instant) dispatch.Deed { return dispatch.Deed{DoneAt: at, DeedSeq: 5} }
	for _, c := range []struct{ in, want dispatch.Input }{
		{dispatch.Arrive{Trip: "t", Deed: done(1)}, dispatch.Arrive{Trip: "t", Deed: done(1 + hour)}},
		{dispatch.Start{Trip: "t", Code: "0417", Deed: done(1)}, dispatch.Start{Trip: "t", Code: "0417", Deed: done(1 + hour)}},
		{dispatch.Complete{Trip: "t", Deed: done(1)}, dispatch.Complete{Trip: "t", Deed: done(1 + hour)}},
		{dispatch.Release{Trip: "t", Deed: done(1)}, dispatch.Release{Trip: "t", Deed: done(1 + hour)}},
		{dispatch.Cancel{Trip: "t", Deed: done(1)}, dispatch.Cancel{Trip: "t", Deed: done(1 + hour)}},
		{dispatch.Paid{Trip: "t", Deed: done(1)}, dispatch.Paid{Trip: "t", Deed: done(1 + hour)}},
		{dispatch.Paid{Trip: "t", Deed: done(now)}, dispatch.Paid{Trip: "t", Deed: done(now)}}, // not in the future
		{dispatch.Complete{Trip: "t"}, dispatch.Complete{Trip: "t"}},                           // without a time it is now
		{dispatch.Tracked{Fixes: []dispatch.Fix{{At: 1}, {At: now}}},
			dispatch.Tracked{Fixes: []dispatch.Fix{{At: 1 + hour, Received: now}, {At: now, Received: now}}}},
		{dispatch.Accept{Trip: "t"}, dispatch.Accept{Trip: "t"}},
	} {
		if diff := cmp.Diff(c.want, onOurClock(c.in, hour, now)); diff != "" {
			t.Errorf("%T:\n%s", c.in, diff)
		}
	}
}

func TestTrackWithoutDatum(t *testing.T) {
	_, no := intake(partyOf(driver1), wire.ClientFrame{ID: "c1", Body: wire.Track{Fixes: []wire.TrackFix{{Lat: 26, Lon: 109, At: 1}}}}, testVillages(t))
	if no == nil || no.Code != wire.CodeUntaggedDatum {
		t.Errorf("%v, want %s", no, wire.CodeUntaggedDatum)
	}
}
