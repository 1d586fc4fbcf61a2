package swarm

import (
	"testing"
	"time"

	"cuntong/loadtest/plan"
	"cuntong/ws/wire"
)

func TestTrackFindsThePositionOfAFix(t *testing.T) {
	track := new(track)
	start := time.UnixMilli(1_760_000_000_000)
	const ahead = 90 * time.Minute
	at := func(i int) time.Time { return start.Add(time.Duration(i) * 3 * time.Second) }
	for i := range 40 {
		lat := 26 + float64(min(i, 35))*1e-5 // it stands from the 35th on
		track.add(at(i), wire.Position{Lat: lat, Lon: 108})
	}
	for _, c := range []struct {
		name  string
		place int
		fixAt time.Duration // off from the position's time
		want  int
	}{
		{"on time", 30, 0, 30},
		{"with a clock off by seconds", 30, -4 * time.Second, 30},
		{"standing", 38, 0, 38},
		{"standing, off by a second", 38, time.Second, 38},
		{"forgotten", 20, 0, -1},
	} {
		fix := wire.Fix{Lat: 26 + float64(min(c.place, 35))*1e-5 + 4e-7, Lon: 108, At: at(c.place).Add(ahead + c.fixAt).UnixMilli()}
		got, ok := track.find(fix, ahead)
		if ok != (c.want >= 0) || (ok && !got.Equal(at(c.want))) {
			t.Errorf("%s: found %v, %v", c.name, got, ok)
		}
	}
}

func TestParkedTripsAreTimedApart(t *testing.T) {
	w := newWitness(newTally(), func(Event) {})
	start := time.Now()
	tell := func(trip string, version int64, state string, at time.Duration) {
		w.seen(view{trip: wire.Trip{Trip: trip, Version: version, State: state}, at: start.Add(at), byOwner: true, upSince: start.Add(-time.Second)})
	}
	for _, trip := range []string{"quick", "slow", "dark"} {
		w.intend(trip, "p", plan.Booking{}, start, trip == "dark")
	}
	w.offer(wire.Offer{Trip: "quick", Version: 2}, start.Add(10*time.Millisecond))
	w.offer(wire.Offer{Trip: "slow", Version: 3}, start.Add(40*time.Second))
	w.offer(wire.Offer{Trip: "dark", Version: 2}, start.Add(50*time.Second))
	tell("slow", 2, wire.StateParked, time.Second) // the booker's frame comes after the driver's
	for _, trip := range []string{"quick", "slow", "dark"} {
		tell(trip, 9, wire.StateCompleted, time.Minute)
	}
	if n := w.tally.timings[requestToOffer].all.TotalCount(); n != 2 {
		t.Errorf("%d first offers were timed: want 2, for the third could not book when it wanted to", n)
	}
	all := w.tally.timings[requestToOfferUnparked].all
	if all.TotalCount() != 1 || all.Max() > 11_000 {
		t.Errorf("%d first offers of trips that never waited, at most %d µs: want 1 of 10 ms", all.TotalCount(), all.Max())
	}
}

func TestWitnessForgetsTheOldest(t *testing.T) {
	w := newWitness(newTally(), func(Event) {})
	for i := range maxEnded + 10 {
		id := string(rune(i + 1))
		w.intend(id, "p", plan.Booking{}, time.Now(), false)
		w.seen(view{trip: wire.Trip{Trip: id, Version: 1, State: wire.StateUnserved}})
	}
	if len(w.trips) != maxEnded || len(w.ended) != maxEnded {
		t.Errorf("%d trips and %d ends are remembered: want %d", len(w.trips), len(w.ended), maxEnded)
	}
	if open := w.tally.open.Load(); open != 0 {
		t.Errorf("%d trips are open", open)
	}
}

func TestSeriesMergesWhenItIsFull(t *testing.T) {
	s := &swarm{tally: newTally()}
	start := time.Now()
	s.begun.Store(start.UnixNano())
	curve := &series{swarm: s, step: time.Second}
	const seconds = 2*maxSamples + 7
	for i := range seconds {
		s.tally.count(completed)
		s.tally.took(requestToOffer, time.Duration(i+1)*time.Millisecond)
		curve.tick(start.Add(time.Duration(i+1) * time.Second))
	}
	if len(curve.samples) >= maxSamples || curve.step != 4*time.Second {
		t.Errorf("%d samples of %v: want fewer than %d of 4 s", len(curve.samples), curve.step, maxSamples)
	}
	sum := curve.part.Completed
	for i, sample := range curve.samples {
		sum += sample.Completed
		if want := float64(4 * (i + 1)); sample.AtSeconds != want || sample.Completed != 4 || sample.Offered != 4 {
			t.Fatalf("sample %d is %+v: want the end at %v and 4 trips", i, sample, want)
		}
		if low, high := 4*float64(i)+3.9, 4*float64(i)+4.1; sample.OfferP99MS < low || sample.OfferP99MS > high*1.01 {
			t.Fatalf("sample %d has p99 %v ms: want the greatest of its parts, %v", i, sample.OfferP99MS, high)
		}
	}
	if sum != seconds {
		t.Errorf("%d of %d trips are in the series", sum, seconds)
	}
}

func TestRefusalWordsAreBounded(t *testing.T) {
	tally := newTally()
	for i := range 3 * maxWords {
		tally.refused("invalid", string(rune('a'+i)))
	}
	refusals, _, _, _ := tally.words()
	if len(refusals) != maxWords+1 || refusals["other"] != 2*maxWords {
		t.Errorf("%d words, %d other: want %d and %d", len(refusals), refusals["other"], maxWords+1, 2*maxWords)
	}
}
