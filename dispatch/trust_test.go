package dispatch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"cuntong/geo"
)

// watchedDriver is a driver on duty whose positions are judged, in a world of his own
// or with others.
type watchedDriver struct {
	w     *world
	id    DriverID
	at    geo.Point
	noise *rand.Rand
	worst TrustBand
	seen  []Sign
}

func watchDriver(t *testing.T, w *world, id DriverID) *watchedDriver {
	t.Helper()
	d := &watchedDriver{w: w, id: id, at: geo.Point{Lat: 26, Lon: 109}, noise: rand.New(rand.NewPCG(7, uint64(len(id)))), worst: TrustFull}
	d.duty(t)
	return d
}

func (d *watchedDriver) duty(t *testing.T) {
	t.Helper()
	cmd := Command{By: DriverActor(d.id), ID: CommandID(fmt.Sprint("duty-", d.id, d.w.now))}
	if _, err := d.w.step(StartDuty{Command: cmd, Driver: d.id, Vehicle: Vehicle{Class: geo.Minivan, Load: Load{Seats: 7}}}); err != nil {
		t.Fatal(err)
	}
}

// says sends a position, and keeps the worst band there was.
func (d *watchedDriver) says(fix Fix) {
	fix.Driver, fix.Received = d.id, d.w.now
	if fix.At == 0 {
		fix.At = d.w.now
	}
	out := d.w.core.Apply(d.w.now, Moved{Fix: fix})
	d.w.journal = append(d.w.journal, out.Facts...)
	if err := d.w.checkVersions(out.Facts); err != nil {
		panic(err)
	}
	d.seen = append(d.seen, out.Signs...)
	if band := d.w.core.bandOf(d.id); band == TrustPoor || band == TrustDoubtful && d.worst == TrustFull {
		d.worst = band
	}
}

// noisy is where a phone says it is that is at p, off by sigma metres.
func (d *watchedDriver) noisy(p geo.Point, sigma float64) geo.Point {
	return geo.Point{Lat: p.Lat + d.noise.NormFloat64()*sigma/111_000, Lon: p.Lon + d.noise.NormFloat64()*sigma/100_000}
}

// drives goes north at a speed for a while, with a position every five seconds.
func (d *watchedDriver) drives(mps float64, long time.Duration, sigma float64, change func(*Fix)) {
	for end := d.w.now.Add(long); d.w.now < end; {
		d.w.now = d.w.now.Add(5 * time.Second)
		d.at.Lat += mps * 5 / 111_000
		fix := Fix{Point: d.noisy(d.at, sigma), AccuracyMeters: geo.Meters(sigma), HeadingDegrees: 0, SpeedMPS: mps}
		if change != nil {
			change(&fix)
		}
		d.says(fix)
	}
}

// What honest phones do in a mountain county leaves them fully trusted.
func TestHonestPhonesAreTrusted(t *testing.T) {
	for name, live := range map[string]func(*watchedDriver){
		"a day on the road": func(d *watchedDriver) { d.drives(12, 4*time.Hour, 8, nil) },
		"a gorge that reflects": func(d *watchedDriver) {
			d.drives(10, 2*time.Hour, 60, func(f *Fix) {
				switch n := d.noise.IntN(40); {
				case n == 0: // a leap out, with a good opinion of itself
					f.Point.Lon += .03
					f.AccuracyMeters = 5
				case n < 4:
					f.Point.Lon += .004
				}
			})
		},
		"a mast in the next valley, twice an hour": func(d *watchedDriver) {
			for range 8 {
				d.drives(10, 29*time.Minute, 8, nil)
				d.drives(10, 15*time.Second, 8, func(f *Fix) { f.Point.Lon += .2 })
			}
		},
		"tunnels": func(d *watchedDriver) {
			for range 20 {
				d.drives(16, 3*time.Minute, 8, nil)
				d.w.now = d.w.now.Add(5 * time.Minute)
				d.at.Lat += 16 * 300 / 111_000.
			}
		},
		"a tunnel in which the phone repeats itself": func(d *watchedDriver) {
			d.drives(16, time.Hour, 8, nil)
			at := d.at
			d.drives(16, 9*time.Minute, 0, func(f *Fix) { f.Point = at })
			d.drives(16, time.Hour, 8, nil)
		},
		"forty minutes in the dark, thirty kilometres on": func(d *watchedDriver) {
			for range 10 {
				d.drives(12.5, 20*time.Minute, 8, nil)
				d.w.now = d.w.now.Add(40 * time.Minute)
				d.at.Lat += 30_000 / 111_000.
			}
		},
		"an hour's clock set right on the way": func(d *watchedDriver) {
			d.drives(12, time.Hour, 8, nil)
			d.drives(12, time.Hour, 8, func(f *Fix) { f.At = d.w.now.Add(time.Hour) })
			d.drives(12, time.Hour, 8, func(f *Fix) { f.At = d.w.now.Add(-5 * time.Second) })
		},
		"a clock set back": func(d *watchedDriver) {
			d.drives(12, time.Hour, 8, nil)
			d.drives(12, time.Hour, 8, func(f *Fix) { f.At = d.w.now.Add(-time.Hour) })
		},
		"the night in the yard with a frozen chip": func(d *watchedDriver) {
			at := d.at
			d.drives(0, 10*time.Hour, 0, func(f *Fix) { f.Point, f.SpeedMPS = at, -1 })
		},
		"the ferry": func(d *watchedDriver) { d.drives(3, time.Hour, 8, nil) },
		"the last place of yesterday": func(d *watchedDriver) {
			for range 3 {
				at := d.at
				d.drives(0, 10*time.Second, 0, nil)
				d.at.Lon += .3
				d.drives(12, 3*time.Hour, 8, nil)
				d.at = at
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := watchDriver(t, newWorld(DefaultRules()), "d1")
			live(d)
			if d.worst != TrustFull {
				t.Errorf("he was %s, by %v", d.worst, counts(d.seen))
			}
			if err := d.w.core.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHonestDays: two hundred days, fewer under the race detector, of drivers whose roads are what the land has, one
// piece after another at random, in which none is ever doubted.
func TestHonestDays(t *testing.T) {
	signs, fixes, days := map[Sign]int{}, 0, fewer(200)
	for day := range days {
		w := newWorld(DefaultRules())
		d := watchDriver(t, w, "d1")
		d.noise = rand.New(rand.NewPCG(uint64(day), 1))
		for end := w.now.Add(12 * time.Hour); w.now < end; {
			from := w.now
			switch speed := 6 + 12*d.noise.Float64(); d.noise.IntN(6) {
			case 0: // a gorge
				d.drives(speed, 15*time.Minute, 40+60*d.noise.Float64(), func(f *Fix) {
					if d.noise.IntN(60) == 0 {
						f.Point.Lon, f.AccuracyMeters = f.Point.Lon+.02, 5
					}
				})
			case 1: // the dark
				dark := time.Duration(d.noise.IntN(45)) * time.Minute
				w.now = w.now.Add(dark)
				d.at.Lat += speed * dark.Seconds() / 111_000
			case 2: // waiting, with a chip that does not move
				at := d.at
				d.drives(0, 20*time.Minute, 0, func(f *Fix) { f.Point = at })
			case 3: // the clock is wrong by up to an hour
				off := time.Duration(d.noise.IntN(7200)-3600) * time.Second
				d.drives(speed, 10*time.Minute, 8, func(f *Fix) { f.At = w.now.Add(off) })
			default:
				d.drives(speed, 30*time.Minute, 5+10*d.noise.Float64(), nil)
			}
			fixes += int(w.now.Sub(from) / (5 * time.Second))
		}
		if d.worst != TrustFull {
			t.Errorf("day %d: he was %s, by %v", day, d.worst, counts(d.seen))
		}
		for sign, n := range counts(d.seen) {
			signs[sign] += n
		}
	}
	t.Logf("about %d positions in %d days: signs %v, nobody doubted", fixes, days, signs)
}

func counts(seen []Sign) map[Sign]int {
	n := map[Sign]int{}
	for _, s := range seen {
		n[s]++
	}
	return n
}

// What liars do lowers them, and says why.
func TestLiarsAreDoubted(t *testing.T) {
	for name, row := range map[string]struct {
		live  func(*watchedDriver)
		sign  Sign
		worst TrustBand
	}{
		"leaps about": {func(d *watchedDriver) {
			for i := range 40 {
				d.at = geo.Point{Lat: 26 + .1*float64(i%7), Lon: 109 + .13*float64(i%5)}
				d.drives(10, 30*time.Second, 8, nil)
			}
		}, SignTeleport, TrustPoor},
		"leaps far out and back": {func(d *watchedDriver) {
			for range 12 {
				d.drives(10, 2*time.Minute, 8, nil)
				d.at.Lon += .33
				d.drives(10, 40*time.Second, 8, nil)
				d.at.Lon -= .33
			}
		}, SignTeleport, TrustPoor},
		"is said to leap out and back": {func(d *watchedDriver) {
			for i := range 24 * 12 {
				if d.w.now = d.w.now.Add(20 * time.Second); i%4 == 3 {
					d.says(Fix{Point: geo.Point{Lat: d.at.Lat, Lon: d.at.Lon + .33}, SpeedMPS: 10})
					continue
				}
				d.says(Fix{Point: d.noisy(d.at, 8), SpeedMPS: 10})
			}
		}, SignTeleport, TrustPoor},
		"flies": {func(d *watchedDriver) { d.drives(120, 20*time.Minute, 8, nil) }, SignTeleport, TrustPoor},
		"says that he drives": {func(d *watchedDriver) {
			at := d.at
			d.drives(12, 2*time.Hour, 0, func(f *Fix) { f.Point = at })
		}, SignFrozen, TrustPoor},
		"says that it is made up": {func(d *watchedDriver) { d.drives(12, 5*time.Minute, 8, func(f *Fix) { f.Mock = true }) }, SignMock, TrustPoor},
		"says that he is a jet":   {func(d *watchedDriver) { d.drives(12, 5*time.Minute, 8, func(f *Fix) { f.SpeedMPS = 150 }) }, SignSpeed, TrustPoor},
		"says so, and the clock is off": {func(d *watchedDriver) {
			d.drives(12, 25*time.Second, 8, func(f *Fix) { f.SpeedMPS, f.At = 150, d.w.now.Add(time.Hour) })
		}, SignClock, TrustDoubtful},
	} {
		t.Run(name, func(t *testing.T) {
			d := watchDriver(t, newWorld(DefaultRules()), "d1")
			row.live(d)
			d.w.now = d.w.now.Add(trustRest + time.Second)
			d.drives(12, 20*time.Second, 8, nil)
			if d.worst != row.worst || !slices.Contains(d.seen, row.sign) {
				t.Errorf("he was %s at worst, by %v; want %s by %s", d.worst, counts(d.seen), row.worst, row.sign)
			}
			if err := d.w.checkReplay(); err != nil {
				t.Error(err)
			}
			d.drives(12, 5*time.Hour, 8, nil)
			if band := d.w.core.bandOf("d1"); band != TrustFull {
				t.Errorf("after five honest hours he is still %s", band)
			}
			if n := len(d.w.journal); n > 20 {
				t.Errorf("%d facts: changes are to be rare", n)
			}
		})
	}
}

// A copy of another's track shows, however late; a car behind another does not.
func TestCopiedTracks(t *testing.T) {
	w := newWorld(DefaultRules())
	first, convoy, copier := watchDriver(t, w, "d1"), watchDriver(t, w, "d22"), watchDriver(t, w, "d333")
	var track []geo.Point
	for range 400 {
		w.now = w.now.Add(5 * time.Second)
		first.at.Lat += .0006
		at := first.noisy(first.at, 4)
		track = append(track, at)
		first.says(Fix{Point: at, SpeedMPS: 13})
		convoy.says(Fix{Point: convoy.noisy(first.at, 4), SpeedMPS: 13})
		if n := len(track); n > 30 {
			copier.says(Fix{Point: track[n-31], SpeedMPS: 13})
		}
	}
	if first.worst != TrustFull || convoy.worst != TrustFull || copier.worst != TrustPoor {
		t.Errorf("the first is %s, who drives along %s, the copy %s by %v", first.worst, convoy.worst, copier.worst, counts(copier.seen))
	}
}

// Doubt lowers a driver's place, survives the server, and leaves nobody out.
func TestDoubtInMatching(t *testing.T) {
	w := newWorld(DefaultRules())
	liar := watchDriver(t, w, "d1")
	liar.drives(0, 7*time.Minute, 8, func(f *Fix) { f.Mock = true })
	if again, err := w.replayed(); err != nil || again.bandOf("d1") != w.core.bandOf("d1") {
		t.Fatalf("after a crash he is %s: %v", again.bandOf("d1"), err)
	}
	asked := func(trip TripID) DriverID {
		by := Actor{Role: RolePassenger, ID: "p" + string(trip)}
		out, err := w.step(Request{Command: Command{By: by, ID: "c-" + CommandID(trip)}, Trip: trip, Order: Order{Booker: by, Channel: ChannelApp,
			Product: ProductSolo, Load: Load{Seats: 1}, Pickup: Place{Point: liar.at}, Dropoff: Place{Point: geo.Point{Lat: 26.2, Lon: 109}}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range out.Facts {
			if offer, ok := f.Body.(OfferMade); ok {
				return offer.Driver
			}
		}
		return ""
	}
	if got := asked("t1"); got != "d1" {
		t.Errorf("alone he is not asked, but %q", got)
	}
	if _, err := w.step(Decline{Command: Command{By: DriverActor("d1"), ID: "no"}, Trip: "t1", Offer: "t1/1"}); err != nil {
		t.Fatal(err)
	}
	honest := watchDriver(t, w, "d22")
	honest.at.Lon += .02 // 2 km, 8 minutes further
	honest.says(Fix{Point: honest.at, SpeedMPS: -1})
	if _, err := w.step(Cancel{Command: Command{By: Actor{Role: RolePassenger, ID: "pt1"}, ID: "x"}, Trip: "t1", Why: ReasonChanged}); err != nil {
		t.Fatal(err)
	}
	if got := asked("t2"); got != "d22" {
		t.Errorf("beside an honest driver %q is asked", got)
	}
	view := w.core.driverView(w.now, "d1")
	if view.Trust == TrustFull || !slices.Equal(view.Signs, []Sign{SignMock}) {
		t.Errorf("the board shows %s %v", view.Trust, view.Signs)
	}
}

// A band has two marks, so that nobody flickers between two bands.
func TestBandsHold(t *testing.T) {
	for _, row := range []struct {
		from TrustBand
		sum  float64
		want TrustBand
	}{
		{TrustFull, 29, TrustFull}, {TrustFull, 30, TrustDoubtful}, {TrustFull, 80, TrustPoor}, {TrustDoubtful, 10, TrustDoubtful},
		{TrustDoubtful, 9, TrustFull}, {TrustPoor, 40, TrustPoor}, {TrustPoor, 39, TrustDoubtful}, {TrustPoor, 9, TrustFull},
	} {
		if got := row.from.after(row.sum); got != row.want {
			t.Errorf("from %s with %v: %s, want %s", row.from, row.sum, got, row.want)
		}
	}
}
