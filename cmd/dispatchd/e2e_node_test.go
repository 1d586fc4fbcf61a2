package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// county4 is four areas side by side, each a degree wide.
func county4(t *testing.T) string {
	t.Helper()
	var features []string
	for i := range 4 {
		west := 104 + i
		features = append(features, fmt.Sprintf(`{"type":"Feature","properties":{"id":"county-%d","name":"County %d"},"geometry":{"type":"Polygon",`+
			`"coordinates":[[[%d,24],[%d,24],[%d,30],[%d,30],[%d,24]]]}}`, i, i, west, west+1, west+1, west, west))
	}
	file := filepath.Join(t.TempDir(), "areas.geojson")
	text := `{"type":"FeatureCollection","features":[` + strings.Join(features, ",") + `]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// lonOf is the middle of an area.
func lonOf(area int) float64 { return 104.5 + float64(area) }

func areaID(area int) string { return fmt.Sprint("county-", area) }

// fleet is several servers on one Redis.
type fleet struct {
	t     *testing.T
	redis *redisServer
	areas string
	data  string
	args  []string
}

func newFleet(t *testing.T, args ...string) *fleet {
	t.Helper()
	needRedis(t)
	f := &fleet{t: t, redis: &redisServer{t: t, addr: freePort(t), dir: t.TempDir()}, areas: county4(t), data: t.TempDir(), args: args}
	f.redis.start()
	t.Cleanup(f.redis.kill)
	return f
}

// start starts one more server and waits until it is ready.
func (f *fleet) start(name string) *process {
	f.t.Helper()
	p := startServer(f.t, f.data, append([]string{"--redis", "redis://" + f.redis.addr, "--node", name, "--areas", f.areas, "--drain-for", "20s"}, f.args...)...)
	until(f.t, name+" is ready", p.ready)
	return p
}

// taken returns, by area, the highest epoch under which a server has written it.
func (p *process) taken() map[string]int {
	taken := map[string]int{}
	for _, line := range p.lines() {
		var event struct {
			Msg, Area string
			Epoch     int
		}
		if json.Unmarshal([]byte(line), &event) == nil && event.Msg == "this server writes the area" {
			taken[event.Area] = max(taken[event.Area], event.Epoch)
		}
	}
	return taken
}

// writes returns which areas a server writes, as far as these servers have said.
func (p *process) writes(others ...*process) []int {
	var areas []int
	for i := range 4 {
		mine := p.taken()[areaID(i)]
		for _, other := range others {
			if other.taken()[areaID(i)] > mine {
				mine = 0
			}
		}
		if mine > 0 {
			areas = append(areas, i)
		}
	}
	return areas
}

// spread waits until two servers have two areas each.
func spread(t *testing.T, one, two *process) {
	t.Helper()
	until(t, "each server writes two areas", func() bool { return len(one.writes(two)) == 2 && len(two.writes(one)) == 2 })
}

// in is a token's arguments for an area.
func in(area int, more ...string) []string { return append([]string{"--area", areaID(area)}, more...) }

// driverIn puts a driver on duty in an area.
func (p *process) driverIn(area int, id string) *phone {
	p.t.Helper()
	ph := p.dial("driver", id, in(area, "--vehicle", "minivan", "--seats", "7")...)
	ph.say(`{"t":"duty","id":"duty","b":{"on":true}}`)
	ph.hear("done", "re=duty")
	return ph
}

// moving tells every second where a driver is, as his app does, until something is heard:
// between servers a position may be lost.
func (ph *phone) moving(lat, lon float64, heard func(wait time.Duration) bool) {
	ph.t.Helper()
	for begin := time.Now(); time.Since(begin) < patience; {
		ph.at(lat, lon)
		if heard(time.Second) {
			return
		}
	}
	ph.t.Fatalf("%s drives in vain", ph.name)
}

// offeredAt waits for the offer of a trip at a place.
func (ph *phone) offeredAt(lat, lon float64, trip string) (offer any) {
	ph.t.Helper()
	ph.moving(lat, lon, func(wait time.Duration) (ok bool) {
		offer, ok = ph.offered(wait, trip)
		return ok
	})
	return offer
}

// again says something until it is answered: a client does so while there is no writer.
func (ph *phone) again(command, trip string) {
	ph.t.Helper()
	id := command + "-" + trip
	for range 40 {
		ph.say(`{"t":"%s","id":"%s","b":{"trip":"%s"}}`, command, id, trip)
		if ph.answered(id, 500*time.Millisecond) {
			return
		}
	}
	ph.t.Fatalf("%s: %s is not done", ph.name, id)
}

// answered waits for a command to be done, or refused, or for a while.
func (ph *phone) answered(id string, wait time.Duration) bool {
	timeout := time.After(wait)
	for {
		select {
		case frame, ok := <-ph.frames:
			if !ok {
				ph.t.Fatalf("%s: the connection has ended: %v", ph.name, ph.closed)
			}
			if frame["re"] == id {
				return frame["t"] == "done"
			}
		case <-timeout:
			return false
		}
	}
}

// TestTwoServersOneTrip: phones at two servers ride together; the writer is killed in
// the middle, and the other goes on with the trip.
func TestTwoServersOneTrip(t *testing.T) {
	f := newFleet(t)
	one, two := f.start("n1"), f.start("n2")
	spread(t, one, two)
	area := two.writes(one)[0]
	driver := one.driverIn(area, "d1")
	rider := two.dial("passenger", "p1", in(area)...)
	rider.ask("t1", 26.01, lonOf(area))
	driver.take("t1", driver.offeredAt(26, lonOf(area), "t1"))
	rider.hear("trip", "state=assigned")
	driver.moving(26.005, lonOf(area), func(wait time.Duration) bool {
		_, ok := rider.heard(wait, "driver_at", "trip=t1")
		return ok
	})
	driver.do("arrive", "t1")

	begin := time.Now()
	two.signal(syscall.SIGKILL)
	driver.again("start", "t1")
	t.Logf("the driver's next command was done %v after the writer's kill -9", time.Since(begin).Round(time.Millisecond))
	until(t, "the other writes all areas", func() bool { return len(one.writes(two)) == 4 })
	rider = one.dial("passenger", "p1", in(area)...)
	truth := rider.hear("truth")["trips"].([]any)[0].(map[string]any)
	if truth["state"] != "riding" {
		t.Errorf("after the kill the trip is %v", truth["state"])
	}
	driver.do("complete", "t1")
	rider.hear("trip", "state=completed")
	until(t, "ready", one.ready)
}

// TestHandOverOnStop: a server that is stopped gives its areas away, and who asks
// meanwhile waits for no lease to run out.
func TestHandOverOnStop(t *testing.T) {
	const lease = time.Minute // far longer than all of this takes
	f := newFleet(t, "--agent-trips", "100000", "--frames-per-sec", "1000", "--frame-burst", "10000", "--lease", lease.String())
	one, two := f.start("n1"), f.start("n2")
	spread(t, one, two)
	area := two.writes(one)[0]
	agent := one.dial("agent", "a1", in(area)...)
	two.signal(syscall.SIGTERM)
	var longest time.Duration
	for i, after := 0, 0; after < 20; i++ {
		trip := fmt.Sprint("t", i)
		begin := time.Now()
		agent.ask(trip, 26, lonOf(area))
		agent.hear("done", "re=ask-"+trip)
		longest = max(longest, time.Since(begin))
		if len(one.writes(two)) == 4 {
			after++
		}
	}
	t.Logf("the longest answer during the hand-over took %v", longest.Round(time.Millisecond))
	if longest > lease/2 {
		t.Error("somebody waited for a lease to run out")
	}
	if err := two.end(); err != nil {
		t.Errorf("a planned stop ends with %v", err)
	}
	_, metrics := get(t, "http://"+one.private+"/metrics")
	if !strings.Contains(metrics, `cuntong_node_takeovers_total{reason="handed"} 2`) {
		t.Error("not every area was handed over")
	}
}

// TestZombie: a server stands still until another has taken its areas, and when it wakes it
// harms nothing.
func TestZombie(t *testing.T) {
	f := newFleet(t)
	one, two := f.start("n1"), f.start("n2")
	spread(t, one, two)
	area := two.writes(one)[0]
	driver := one.driverIn(area, "d1")
	rider := two.dial("agent", "a1", in(area)...)
	rider.ask("t1", 26.01, lonOf(area))
	offer := driver.offeredAt(26, lonOf(area), "t1")

	two.signal(syscall.SIGSTOP)
	rider.ask("t2", 26.02, lonOf(area)) // lies in the socket until it wakes
	until(t, "the other writes all areas", func() bool { return len(one.writes(two)) == 4 })
	driver.take("t1", offer)
	two.signal(syscall.SIGCONT)
	rider.hearTruth("t1", "assigned")
	rider.again2("t2", area)
	other := one.dial("agent", "a1", in(area)...)
	states := map[string]any{}
	for _, v := range other.hear("truth")["trips"].([]any) {
		trip := v.(map[string]any)
		states[trip["trip"].(string)] = trip["state"]
	}
	if len(states) != 2 || states["t1"] != "assigned" || states["t2"] != "parked" {
		t.Errorf("the trips are %v, want t1 assigned and t2 parked", states)
	}
	until(t, "the areas are spread again", func() bool { return len(two.writes(one)) == 2 })
}

// hearTruth waits for a truth in which a trip is in a state.
func (ph *phone) hearTruth(trip, state string) {
	ph.t.Helper()
	for {
		for _, v := range ph.hear("truth")["trips"].([]any) {
			if told := v.(map[string]any); told["trip"] == trip && told["state"] == state {
				return
			}
		}
	}
}

// again2 books a trip until that is answered.
func (ph *phone) again2(trip string, area int) {
	ph.t.Helper()
	for range 40 {
		ph.ask(trip, 26.02, lonOf(area))
		if ph.answered("ask-"+trip, 500*time.Millisecond) {
			return
		}
	}
	ph.t.Fatalf("%s: %s is not booked", ph.name, trip)
}

// TestJoinAndLeave: a third server gets its share, and phones notice nothing.
func TestJoinAndLeave(t *testing.T) {
	f := newFleet(t)
	one := f.start("n1")
	rider := one.dial("passenger", "p1", in(0)...)
	rider.ask("t1", 26, lonOf(0))
	rider.hear("done", "re=ask-t1")
	two := f.start("n2")
	spread(t, one, two)
	three := f.start("n3")
	until(t, "the third has an area", func() bool { return len(three.writes(one, two)) == 1 })
	for _, p := range []*process{one, two, three} {
		if !p.ready() {
			t.Error("a server is not ready")
		}
	}
	rider.say(`{"t":"cancel","id":"cancel-t1","b":{"trip":"t1","why":"changed_mind"}}`)
	rider.hear("done", "re=cancel-t1")
}
