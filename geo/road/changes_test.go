package road

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"cuntong/geo"
)

// noon is some day at noon in China, ban a closing from ten in the evening to five.
var (
	noon = time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)
	ban  = &geo.Hours{From: 22 * 60, Until: 5 * 60, Zone: 480}
)

func drawChange(rng *rand.Rand, i int) geo.RoadChange {
	c := geo.RoadChange{ID: geo.RoadChangeID(fmt.Sprint("c", i))}
	switch rng.IntN(4) {
	case 0:
		c.Closed = true
	case 1:
		c.Pace = 0.05 + 0.95*rng.Float64()
	case 2:
		c.MaxMass, c.MaxHeight = 2000+rng.IntN(5000), rng.IntN(2)*250
	case 3:
		c.MaxWidth, c.Pace = 200, 0.5
	}
	if rng.IntN(3) > 0 {
		p := inValley(rng)
		c.Where.Center, c.Where.Radius = &p, geo.Meters(rng.IntN(2)*rng.IntN(800))
	}
	if rng.IntN(3) == 0 {
		c.Where.Kinds = geo.RoadKinds()[rng.IntN(5) : 5+rng.IntN(6)]
	}
	if rng.IntN(3) == 0 {
		c.Where.Above = geo.Meters(rng.IntN(2000))
	}
	for _, class := range vehicles {
		if rng.IntN(5) == 0 {
			c.Vehicles = append(c.Vehicles, class)
		}
	}
	if rng.IntN(3) == 0 {
		c.From = noon.Add(time.Duration(rng.IntN(48)-24) * time.Hour).UnixMilli()
	}
	if rng.IntN(3) == 0 {
		c.Until = max(c.From, noon.UnixMilli()) + int64(rng.IntN(48)-2)*3_600_000 + 7_200_001
	}
	if rng.IntN(3) == 0 {
		c.Daily = &geo.Hours{From: rng.IntN(720), Until: 720 + rng.IntN(720), Zone: 480}
		if rng.IntN(2) == 0 {
			c.Daily.From, c.Daily.Until = c.Daily.Until, c.Daily.From
		}
	}
	return c
}

// weighs is what a lane weighs for the class while the changes hold for which it
// is asked.
func (v *valley) weighs(t *Today, class geo.VehicleClass, changes []geo.RoadChange, hold func(geo.RoadChange) bool) func(Lane) weight {
	pace := make([]float64, v.g.Segments())
	for s := range pace {
		pace[s] = 1
	}
	for _, c := range changes {
		if !hold(c) || len(c.Vehicles) > 0 && !slices.Contains(c.Vehicles, class) {
			continue
		}
		size := traitsOf(class).size
		shut := c.Closed || c.MaxMass > 0 && int(size.MaxMass) > c.MaxMass || c.MaxHeight > 0 && int(size.MaxHeight) > c.MaxHeight ||
			c.MaxWidth > 0 && int(size.MaxWidth) > c.MaxWidth
		for _, s := range t.concerned(c.Where) {
			if shut {
				pace[s] = 0
			} else if c.Pace > 0 {
				pace[s] = min(pace[s], c.Pace)
			}
		}
	}
	return func(l Lane) weight {
		w := v.g.drive(l, class)
		switch p := pace[l.Segment()]; {
		case p == 0 || w >= never:
			return never
		case p < 1:
			return weight(float64(w>>32)/float64(float32(p))+0.5)<<32 | w&math.MaxUint32
		}
		return w
	}
}

// Whatever was set and lifted before, the roads are what the changes in force make
// of them: those of a fresh Today, and those that trying out finds.
func TestChangesAddUpInAnyOrder(t *testing.T) {
	rng := random(t)
	odd := 0
	for range 150 {
		v := drawValley(t, rng)
		today := NewToday(v.g)
		var changes []geo.RoadChange
		for i := range 12 {
			switch {
			case len(changes) > 0 && rng.IntN(3) == 0:
				changes = slices.Delete(slices.Clone(changes), 0, 1+rng.IntN(len(changes)))
			case len(changes) > 0 && rng.IntN(4) == 0: // the same id, and another change
				changes = slices.Clone(changes)
				changes[0] = drawChange(rng, 0)
				changes[0].ID = changes[len(changes)-1].ID
				changes = changes[:max(1, len(changes)-1)]
			default:
				changes = append(slices.Clone(changes), drawChange(rng, i))
			}
			rng.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
			now := noon.Add(time.Duration(rng.IntN(48*60)-24*60) * time.Minute)
			fresh := NewToday(v.g)
			if a, b := today.Set(changes, now), fresh.Set(changes, now); !a.Equal(b) {
				t.Fatalf("next is %v, afresh %v", a, b)
			}
			class := vehicles[rng.IntN(len(vehicles))]
			from, to := v.spot(today, rng), v.spot(today, rng)
			by := geo.Drive{Class: class}
			if rng.IntN(2) == 0 {
				by.Leaves = now.Add(time.Duration(rng.IntN(3*60)-60) * time.Minute)
			}
			leg, ok := today.Travel(from, to, by)
			if l, k := fresh.Travel(from, to, by); l != leg || k != ok {
				t.Fatalf("%v %v, afresh %v %v", leg, ok, l, k)
			}
			if ok && leg.Duration < today.Floor(geo.Distance(from.Point, to.Point)) {
				t.Fatalf("%v is below the floor", leg)
			}
			if by.Leaves.IsZero() {
				want := v.reference(class, v.weighs(today, class, changes, func(c geo.RoadChange) bool { return c.InForce(now) }), from, to)
				if ok != (want < never) || ok && leg != want.leg() {
					t.Fatalf("%v with %+v: %v %v, want %v", by, changes, leg, ok, describe(want))
				}
				if base := v.reference(class, v.weighs(today, class, nil, nil), from, to); base != want {
					odd++
				}
			}
		}
	}
	if odd < 30 {
		t.Errorf("only %d drives were other than usual", odd)
	}
}

// closable says whether a change may close the segment the spot is on.
func (v *valley) closable(t *Today, spot geo.Spot, changes []geo.RoadChange) bool {
	return slices.ContainsFunc(changes, func(c geo.RoadChange) bool {
		shuts := c.Closed || c.MaxMass > 0 || c.MaxHeight > 0 || c.MaxWidth > 0
		return shuts && slices.Contains(t.concerned(c.Where), SegmentID(spot.Segment-1))
	})
}

// No drive that is answered runs into a closing: neither one that begins while it
// is under way nor one that holds when it leaves.
func TestNoDriveRunsIntoADailyClosing(t *testing.T) {
	rng := random(t)
	crossing := 0
	for range 400 {
		v := drawValley(t, rng)
		today := NewToday(v.g)
		var changes []geo.RoadChange
		for i := range 1 + rng.IntN(4) {
			c := drawChange(rng, i)
			if c.From > noon.UnixMilli() {
				c.From = 0
			}
			if rng.IntN(4) > 0 {
				c.Daily = &geo.Hours{From: rng.IntN(1440), Zone: 480}
				c.Daily.Until = (c.Daily.From + 1 + rng.IntN(1439)) % 1440
			}
			changes = append(changes, c)
		}
		now := noon.Add(time.Duration(rng.IntN(24*60)) * time.Minute)
		today.Set(changes, now)
		changes = slices.DeleteFunc(changes, func(c geo.RoadChange) bool { return c.Until != 0 && c.Until <= now.UnixMilli() }) // over
		if len(changes) == 0 {
			continue
		}
		for range 16 {
			class := vehicles[rng.IntN(len(vehicles))]
			from, to := v.spot(today, rng), v.spot(today, rng)
			if v.closable(today, from, changes) { // he leaves it at the usual speed, which is quicker than a slow one
				continue
			}
			by := geo.Drive{Class: class, Leaves: now.Add(time.Duration(rng.IntN(2)*(rng.IntN(30*60)-6*60)) * time.Minute)}
			if c := changes[rng.IntN(len(changes))]; c.Daily != nil && rng.IntN(2) == 0 { // just before
				by.Leaves = c.Daily.Next(by.Leaves).Add(-time.Duration(rng.IntN(240)) * time.Second)
			}
			leg, ok := today.Travel(from, to, by)
			f := today.NewFinder(class)
			f.Aim(to)
			if l, k := f.From(from, by.Leaves); l != leg || k != ok {
				t.Fatalf("Finder %v %v, Travel %v %v", l, k, leg, ok)
			}
			arrives := by.Leaves.Add(leg.Duration)
			holds := func(c geo.RoadChange) bool {
				if c.Daily == nil {
					return c.InForce(now)
				}
				return c.InForce(by.Leaves) || begins(c, by.Leaves) < arrives.UnixMilli()
			}
			// With what holds at some time of the drive, it is possible, and takes as long at most.
			want := v.reference(class, v.weighs(today, class, changes, holds), from, to)
			if ok && (want >= never || want.leg().Duration > leg.Duration) {
				t.Fatalf("%v with %+v set at %v: %v, want %v", by, changes, now, leg, describe(want))
			}
			// And it is no quicker than with what holds when it leaves.
			first := v.reference(class, v.weighs(today, class, changes, func(c geo.RoadChange) bool {
				return c.Daily == nil && c.InForce(now) || c.Daily != nil && c.InForce(by.Leaves)
			}), from, to)
			if ok && first.leg().Duration > leg.Duration {
				t.Fatalf("%v with %+v set at %v: %v, quicker than %v", by, changes, now, leg, describe(first))
			}
			if ok && first.leg() != leg {
				crossing++
			}
		}
	}
	if crossing < 8 {
		t.Errorf("only %d drives went another way because of what was to come", crossing)
	}
}

// Exactly what is to hold at noon and at night does, and the change from one to
// the other is announced.
func TestNightBan(t *testing.T) {
	k := newSketch(t)
	a, b, c := k.junction(0, 0), k.junction(3000, 0), k.junction(1500, 6000)
	k.road(a, b, func(s *Segment) { s.Kind, s.Name = geo.Track, "pass" })
	k.road(a, c, nil)
	k.road(c, b, nil)
	today := NewToday(k.b.Build())
	from, to := today.Locate(at(10, 40), -1), today.Locate(at(2990, 40), -1)
	night := geo.RoadChange{ID: "night", Closed: true, Daily: ban, Where: geo.Stretch{Kinds: []geo.RoadKind{geo.Track}}, Vehicles: []geo.VehicleClass{geo.Bus}}
	china := time.FixedZone("", 8*3600)
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, china)
	if next := today.Set([]geo.RoadChange{night}, day); !next.Equal(time.Date(2026, 3, 1, 22, 0, 0, 0, china)) {
		t.Errorf("the ban is to begin at %v", next)
	}
	over, _ := today.Travel(from, to, geo.Drive{Class: geo.Bus, Leaves: day})
	short := over.Distance
	for _, c := range []struct {
		class  geo.VehicleClass
		hour   int
		minute int
		short  bool
	}{
		{geo.Bus, 12, 0, true}, {geo.Bus, 21, 30, true}, {geo.Bus, 21, 58, false}, {geo.Bus, 23, 0, false}, {geo.Bus, 29, 1, true}, {geo.Car, 23, 0, true},
	} {
		at := time.Date(2026, 3, 1, c.hour, c.minute, 0, 0, china)
		if c.hour > 24 {
			today.Set([]geo.RoadChange{night}, at.Add(-2*time.Hour))
		}
		leg, ok := today.Travel(from, to, geo.Drive{Class: c.class, Leaves: at})
		if !ok || (leg.Distance == short) != c.short {
			t.Errorf("%s leaving %d:%02d: %v, %v; over the track it is %v", c.class, c.hour, c.minute, leg, ok, short)
		}
	}
	if next := today.Set([]geo.RoadChange{night}, day.Add(11*time.Hour)); !next.Equal(time.Date(2026, 3, 2, 5, 0, 0, 0, china)) {
		t.Errorf("the ban is to end at %v", next)
	}
	if next := today.Set(nil, day); !next.IsZero() {
		t.Errorf("nothing is to change at %v", next)
	}
}

func TestSetSaysWhatComesNext(t *testing.T) {
	k := newSketch(t)
	k.road(k.junction(0, 0), k.junction(3000, 0), nil)
	today := NewToday(k.b.Build())
	ms := func(h int) int64 { return noon.Add(time.Duration(h) * time.Hour).UnixMilli() }
	for name, c := range map[string]struct {
		change geo.RoadChange
		hours  float64 // -1: never
	}{
		"for good":             {geo.RoadChange{}, -1},
		"begins":               {geo.RoadChange{From: ms(3), Until: ms(9)}, 3},
		"ends":                 {geo.RoadChange{From: ms(-3), Until: ms(9)}, 9},
		"over":                 {geo.RoadChange{Until: ms(0)}, -1},
		"began":                {geo.RoadChange{From: ms(0)}, -1},
		"tonight":              {geo.RoadChange{Daily: ban}, 10},
		"every night, ends":    {geo.RoadChange{Daily: ban, Until: ms(6)}, 6},
		"every night, begins":  {geo.RoadChange{Daily: ban, From: ms(6)}, 6},
		"nights that are over": {geo.RoadChange{Daily: ban, Until: ms(-1)}, -1},
	} {
		c.change.ID, c.change.Closed = "x", true
		next := today.Set([]geo.RoadChange{c.change}, noon)
		want := time.Time{}
		if c.hours >= 0 {
			want = noon.Add(time.Duration(c.hours * float64(time.Hour)))
		}
		if !next.Equal(want) {
			t.Errorf("%s: %v, want %v", name, next, want)
		}
	}
}

func TestADailyChangeBegins(t *testing.T) {
	ms := func(h int) int64 { return noon.Add(time.Duration(h) * time.Hour).UnixMilli() }
	for name, c := range map[string]struct {
		change geo.RoadChange
		want   int64
	}{
		"tonight":                  {geo.RoadChange{}, ms(10)},
		"in the middle of a night": {geo.RoadChange{From: ms(12)}, ms(12)},
		"on a later day":           {geo.RoadChange{From: ms(20)}, ms(34)},
		"not before it is over":    {geo.RoadChange{Until: ms(10)}, always},
	} {
		c.change.Daily = ban
		if got := begins(c.change, noon); got != c.want {
			t.Errorf("%s: %v, want %v", name, time.UnixMilli(got), time.UnixMilli(c.want))
		}
	}
}

// Every segment that comes within the circle is concerned, and no other; here by
// looking at points a metre apart.
func TestConcernedIsWhatLiesInTheCircle(t *testing.T) {
	rng := random(t)
	in, out := 0, 0
	for range 40 {
		v := drawValley(t, rng)
		today := NewToday(v.g)
		for range 4 {
			center := inValley(rng)
			radius := math.Pow(10, 1+5*rng.Float64()) // 10 m to 1000 km, which is all
			radius = min(radius, 200_000)
			if radius > 5000 {
				center.Lat += (rng.Float64() - 0.5) * 2.2 * radius / metersPerUnit / 1e7
			}
			got := today.concerned(geo.Stretch{Center: &center, Radius: geo.Meters(radius)})
			for s := range SegmentID(v.g.Segments()) {
				if v.g.head[s.Forward()] < 0 && v.g.head[s.Backward()] < 0 {
					continue
				}
				near := math.Inf(1)
				for i := range v.g.pieces(s) {
					for j := range 2001 {
						near = min(near, float64(geo.Distance(center, between(v.g.point(s, i), v.g.point(s, i+1), float64(j)/2000))))
					}
				}
				concerned := slices.Contains(got, s)
				if concerned && near > radius+1 || !concerned && near < radius-0.01 {
					t.Fatalf("segment %d comes within %v m of %v, radius %v: concerned %v", s, near, center, radius, concerned)
				}
				if concerned {
					in++
				} else {
					out++
				}
			}
		}
	}
	if in < 100 || out < 100 {
		t.Errorf("%d in, %d out", in, out)
	}
}

// To the east a circle is more degrees wide than it is high.
func TestCircleIsRound(t *testing.T) {
	k := newSketch(t)
	for _, east := range []float64{-10_000, 10_000, -10_200, 10_200} {
		k.road(k.junction(east, -10), k.junction(east, 10), nil)
	}
	for _, north := range []float64{-10_000, 10_000, -10_200, 10_200} {
		k.road(k.junction(-10, north), k.junction(10, north), nil)
	}
	center := at(0, 0)
	if got, want := NewToday(k.b.Build()).concerned(geo.Stretch{Center: &center, Radius: 10_100}), []SegmentID{0, 1, 4, 5}; !slices.Equal(got, want) {
		t.Errorf("10 km about the middle are segments %v, want %v", got, want)
	}
}

func TestExtent(t *testing.T) {
	k := newSketch(t)
	for i := range 12 {
		north := 1000 * float64(i)
		k.road(k.junction(0, north), k.junction(2000, north), func(s *Segment) {
			s.Name, s.Kind, s.Top = fmt.Sprint("S", 99-i%10), geo.RoadKinds()[i%4], float32(100*i)
			if i == 11 {
				s.Name = ""
			}
		})
	}
	k.road(k.junction(0, 50), k.junction(2000, 50), func(s *Segment) { s.Flags = NoForward | NoBackward }) // nobody drives it anyway
	today := NewToday(k.b.Build())
	middle := at(1000, 0)
	for name, c := range map[string]struct {
		where geo.Stretch
		want  geo.RoadExtent
	}{
		"everything":  {geo.Stretch{}, geo.RoadExtent{Segments: 12, Length: 24_000, Names: []string{"S90", "S91", "S92", "S93", "S94", "S95", "S96", "S97"}}},
		"a kind":      {geo.Stretch{Kinds: []geo.RoadKind{geo.Trunk}}, geo.RoadExtent{Segments: 3, Length: 6_000, Names: []string{"S90", "S94", "S98"}}},
		"a height":    {geo.Stretch{Above: 1000}, geo.RoadExtent{Segments: 1, Length: 2000}},
		"a circle":    {geo.Stretch{Center: &middle, Radius: 1001}, geo.RoadExtent{Segments: 2, Length: 4000, Names: []string{"S98", "S99"}}},
		"the nearest": {geo.Stretch{Center: &middle}, geo.RoadExtent{Segments: 1, Length: 2000, Names: []string{"S99"}}},
		"all at once": {geo.Stretch{Center: &middle, Radius: 4500, Kinds: []geo.RoadKind{geo.Motorway}, Above: 100}, geo.RoadExtent{Segments: 1, Length: 2000, Names: []string{"S95"}}},
		"nothing":     {geo.Stretch{Above: 5000}, geo.RoadExtent{}},
	} {
		got := today.Extent(geo.RoadChange{ID: "x", Closed: true, Where: c.where})
		got.Length = geo.Meters(math.Round(float64(got.Length)/100) * 100)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
