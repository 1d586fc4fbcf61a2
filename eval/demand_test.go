package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"cuntong/geo"
)

// seed is that of the SEED variable, or 1.
func seed(t *testing.T) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		n = 1
	}
	t.Logf("SEED=%d", n)
	return n
}

// county is twenty villages about a town, and roads as the crow flies.
func county(seed uint64) network {
	rng := rand.New(rand.NewPCG(seed, 5))
	net := network{name: "test", licence: "<none>", roads: geo.NewCrow()}
	for i := range 20 {
		v := village{name: fmt.Sprintf("v%d", i), point: geo.Point{Lat: 26 + rng.Float64()*0.15, Lon: 109 + rng.Float64()*0.15}, mass: massOf("village", 0)}
		if i == 0 {
			v.mass, v.town = massOf("town", 0), true
		}
		net.villages = append(net.villages, v)
	}
	return net
}

// TestDay: as many requests as the load says, within the day, in order, between
// different villages, with the bursts out of the town; and the same again.
func TestDay(t *testing.T) {
	net := county(seed(t))
	g := newGravity(net.villages, net.roads)
	for _, load := range []int{1, 10, 40} {
		d := g.day(seed(t), load, 7)
		if len(d.requests) != 8*load || len(d.starts) != 7 || len(d.phases) != 7 {
			t.Errorf("%d requests, %d starts, %d phases at %d/h", len(d.requests), len(d.starts), len(d.phases), load)
		}
		crowd := 0
		for i, r := range d.requests {
			if r.from == r.to || r.at < 0 || r.at >= workday || i > 0 && r.at < d.requests[i-1].at {
				t.Errorf("request %d: %+v", i, r)
			}
			inBurst := 0
			for _, other := range d.requests[i:] {
				if other.from == 0 && other.at-r.at < burstTime {
					inBurst++
				}
			}
			crowd = max(crowd, inBurst)
		}
		if crowd < min(burstLeast, 8*load) {
			t.Errorf("no more than %d requests from the town within five minutes", crowd)
		}
		if !reflect.DeepEqual(d, g.day(seed(t), load, 7)) {
			t.Error("the same seed gives another day")
		}
		if reflect.DeepEqual(d, g.day(seed(t)+1, load, 7)) {
			t.Error("another seed gives the same day")
		}
	}
}

// TestGravity draws many trips: from each village in proportion to its mass, and the
// ends in proportion to mass over time.
func TestGravity(t *testing.T) {
	net := county(3)
	g := newGravity(net.villages, net.roads)
	rng := rand.New(rand.NewPCG(seed(t), 1))
	const draws = 200_000
	from := make([]float64, len(net.villages))
	to := make([]float64, len(net.villages))
	for range draws {
		from[draw(rng, g.origins)]++
		to[draw(rng, g.pull[5])]++
	}
	var mass, pull float64
	pulls := make([]float64, len(net.villages))
	for i, v := range net.villages {
		mass += v.mass
		if leg, _ := net.roads.Travel(geo.Spot{Point: net.villages[5].point}, geo.Spot{Point: v.point}, geo.Drive{Class: geo.Car}); i != 5 {
			pulls[i] = v.mass / max(leg.Duration, nextDoor).Minutes()
		}
		pull += pulls[i]
	}
	for i, v := range net.villages {
		if want := draws * v.mass / mass; !near(from[i], want, 6*math.Sqrt(want)) {
			t.Errorf("from %s: %.0f draws, want %.0f", v.name, from[i], want)
		}
		if want := draws * pulls[i] / pull; !near(to[i], want, 6*math.Sqrt(want)) {
			t.Errorf("to %s: %.0f draws, want %.0f", v.name, to[i], want)
		}
	}
	if to[5] != 0 {
		t.Error("some go where they are")
	}
}

// TestMass: a known population counts, and otherwise the kind of place.
func TestMass(t *testing.T) {
	if massOf("town", 100) != massOf("hamlet", 0) || massOf("town", 0) <= massOf("village", 0) {
		t.Errorf("%v %v %v", massOf("town", 100), massOf("hamlet", 0), massOf("town", 0))
	}
}

func TestOnADrive(t *testing.T) {
	line := []geo.Point{{Lat: 26, Lon: 109}, {Lat: 26.01, Lon: 109}, {Lat: 26.01, Lon: 109.01}}
	d := newDrive(dayBegins, line[2], time.Minute, line)
	for share, want := range map[time.Duration]float64{0: 0, 10 * time.Second: 0, 50 * time.Second: 90, 2 * time.Minute: 90} {
		p, heading := d.place(dayBegins.Add(share), true)
		if !near(heading, want, 0.5) {
			t.Errorf("after %v: heading %v, want %v", share, heading, want)
		}
		along := geo.Distance(line[0], p)
		if p.Lat == line[1].Lat {
			along = geo.Distance(line[0], line[1]) + geo.Distance(line[1], p)
		}
		if want := d.past[2] * geo.Meters(min(1, share.Minutes())); !near(float64(along), float64(want), 2) {
			t.Errorf("after %v: %v along, want %v", share, along, want)
		}
	}
	if p, heading := d.place(dayBegins, false); p != line[2] || heading != -1 {
		t.Errorf("who stands is at %v, headed %v", p, heading)
	}
}
