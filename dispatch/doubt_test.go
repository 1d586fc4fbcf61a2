package dispatch

import (
	"testing"
	"time"

	"cuntong/geo"
)

// twoCounties are a west and an east whose letters arrive at once.
type twoCounties struct {
	t      *testing.T
	worlds map[geo.AreaID]*world
	now    Instant
}

func newTwoCounties(t *testing.T) *twoCounties {
	areas := []*geo.Area{rectangle("west", 25, 109, 27, 109.2), rectangle("east", 25, 109.2, 27, 109.4)}
	return &twoCounties{t: t, worlds: neighbourhood(DefaultRules(), areas), now: morning}
}

func (c *twoCounties) core(area geo.AreaID) *Core { return c.worlds[area].core }

// give lets an area take an input, and both take the letters that follow.
func (c *twoCounties) give(area geo.AreaID, in Input) Outcome {
	c.t.Helper()
	w := c.worlds[area]
	w.now = c.now
	out, err := w.step(in)
	if err != nil {
		c.t.Fatalf("%s: %v", area, err)
	}
	for _, l := range out.Letters {
		c.give(l.To, l.Body)
	}
	return out
}

func (c *twoCounties) duty(area geo.AreaID, id DriverID) {
	c.give(area, StartDuty{Command: Command{By: DriverActor(id)}, Driver: id, Vehicle: Vehicle{Class: geo.Minivan, Load: Load{Seats: 7}}})
}

// at lets a driver be somewhere, a while later.
func (c *twoCounties) at(area geo.AreaID, id DriverID, lon float64, after time.Duration, change func(*Fix)) {
	c.now = c.now.Add(after)
	fix := Fix{Driver: id, Point: geo.Point{Lat: 26, Lon: lon}, At: c.now, Received: c.now, SpeedMPS: -1}
	if change != nil {
		change(&fix)
	}
	c.give(area, Moved{Fix: fix})
}

// lies lets a phone say that its positions are made up, so often.
func (c *twoCounties) lies(area geo.AreaID, id DriverID, lon float64, times int) {
	for range times {
		c.at(area, id, lon, 10*time.Second, func(f *Fix) { f.Mock = true })
	}
}

func (c *twoCounties) points(area geo.AreaID, id DriverID) (sum float64) {
	if s := c.core(area).watching.by[id]; s != nil {
		for _, p := range s.points {
			sum += p
		}
	}
	return sum
}

// A driver who is doubted is doubted where he crosses to, as long as he would be here; and
// where he comes back to.
func TestDoubtCrosses(t *testing.T) {
	c := newTwoCounties(t)
	c.duty("west", "d1")
	c.lies("west", "d1", 109.19, 8)
	if c.core("west").bandOf("d1") == TrustFull {
		t.Fatal("eight positions that are made up are believed")
	}
	before, band := c.points("west", "d1"), c.core("west").bandOf("d1")
	c.at("west", "d1", 109.21, time.Minute, nil)
	east := c.core("east")
	if east.drivers["d1"] == nil || east.bandOf("d1") != band || east.distrust("d1") != east.rules.DoubtfulWait {
		t.Fatalf("in the east he is %v, and believed %s; in the west it was %s", east.drivers["d1"], east.bandOf("d1"), band)
	}
	if after := c.points("east", "d1"); after < 0.95*before || after > before {
		t.Errorf("of %.1f points against him %.1f have crossed", before, after)
	}
	again, err := c.worlds["east"].replayed()
	if err != nil || again.bandOf("d1") != band {
		t.Errorf("after a crash of the east he is believed %s: %v", again.bandOf("d1"), err)
	}
	for range 130 { // he behaves
		c.at("east", "d1", 109.21, time.Minute, nil)
	}
	c.at("east", "d1", 109.19, time.Minute, nil)
	if west := c.core("west"); west.drivers["d1"] == nil || west.bandOf("d1") != TrustFull || east.bandOf("d1") != TrustFull {
		t.Errorf("two hours later he is believed %s in the east, and %s in the west", east.bandOf("d1"), west.bandOf("d1"))
	}
}

// Crossing the border does not wash off what is not enough for a band yet.
func TestCrossingWashesNothingOff(t *testing.T) {
	c := newTwoCounties(t)
	c.duty("west", "d1")
	c.lies("west", "d1", 109.19, 2)
	c.at("west", "d1", 109.21, time.Minute, nil)
	if c.core("east").bandOf("d1") != TrustFull {
		t.Fatal("two signs make a band")
	}
	c.lies("east", "d1", 109.21, 1)
	if got := c.core("east").bandOf("d1"); got != TrustDoubtful {
		t.Errorf("two signs in the west and one in the east: %s", got)
	}
}

// Who leaps to and fro over the border is seen to leap: the leap is measured from where he
// was in the other county.
func TestLeapsOverTheBorder(t *testing.T) {
	c := newTwoCounties(t)
	c.duty("west", "d1")
	area := geo.AreaID("west")
	c.at(area, "d1", 109.01, time.Second, nil)
	for _, lon := range []float64{109.39, 109.12, 109.28, 109.02, 109.36, 109.13, 109.3} { // 15 km and more in 40 s, and nowhere twice
		c.at(area, "d1", lon, 40*time.Second, nil)
		if area = "west"; c.core("east").drivers["d1"] != nil {
			area = "east"
		}
	}
	if got := c.core(area).bandOf("d1"); got == TrustFull {
		t.Errorf("seven leaps over the border: %s, %.0f points", got, c.points(area, "d1"))
	}
}

// A neighbour's driver who is not believed is not borrowed for an advantage that he may
// have made up; when there is nobody else he is.
func TestDoubtIsQuoted(t *testing.T) {
	for _, row := range []struct {
		name string
		lies int
		own  bool
		want DriverID
	}{{"honest", 0, true, "d1"}, {"poor", 40, true, "d2"}, {"poor, and alone", 40, false, "d1"}} {
		c := newTwoCounties(t)
		c.duty("west", "d1")
		c.lies("west", "d1", 109.199, row.lies)
		if row.own {
			c.duty("east", "d2")
			c.at("east", "d2", 109.22, time.Second, nil) // 2 km, some four minutes
		}
		c.at("west", "d1", 109.199, time.Second, nil)
		order := Order{Channel: ChannelApp, Product: ProductSolo, Load: Load{Seats: 1},
			Pickup: Place{Point: geo.Point{Lat: 26, Lon: 109.201}}, Dropoff: Place{Point: geo.Point{Lat: 26.2, Lon: 109.3}}}
		c.give("east", Request{Command: Command{By: Actor{Role: RolePassenger, ID: "p1"}}, Trip: "t1", Order: order})
		if o := c.core("east").trips["t1"].Offer; o == nil || o.Driver != row.want {
			t.Errorf("%s: offered %+v, want %s", row.name, o, row.want)
		}
		if lent := c.core("west").drivers["d1"] == nil; lent != (row.want == "d1") {
			t.Errorf("%s: lent: %t", row.name, lent) // he would be weighed where he comes to, too, but in vain
		}
	}
}

// A token from before a driver signed out does not let anybody in where he has crossed to.
func TestSignOutCrosses(t *testing.T) {
	c := newTwoCounties(t)
	c.duty("west", "d1")
	c.at("west", "d1", 109.21, time.Second, nil)
	issued := c.now
	c.give("east", SignOut{Command: Command{By: DriverActor("d1")}})
	c.at("east", "d1", 109.19, time.Minute, nil)
	for token, want := range map[Instant]bool{issued: true, c.now: false} {
		out := c.give("west", Hello{By: DriverActor("d1"), Session: "s", Issued: token})
		if no, shut := out.Notices[0].Body.(ShutOut); (shut && no.Why == ShutSignedOut) != want || c.core("west").drivers["d1"] == nil {
			t.Errorf("a token of %s: %+v", clock(token), out.Notices)
		}
	}
}
