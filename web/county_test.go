package web_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"cuntong/ws/wire"
)

// township is a place of Liping county. Names and coordinates: GeoNames, CC BY 4.0.
type township struct {
	id, name string
	lat, lon float64
}

var townships = []township{
	{"aoshi", "敖市", 26.40167, 109.07111}, {"bazhai", "坝寨", 26.21028, 108.94528},
	{"dajia", "大稼", 26.36667, 108.85}, {"dehua", "德化", 26.47, 108.74},
	{"deshun", "德顺", 26.18222, 109.32028}, {"diping", "地坪", 25.76167, 109.24278},
	{"hongzhou", "洪州", 26.12583, 109.40889}, {"jiuchao", "九潮", 26.09083, 108.76528},
	{"koujiang", "口江", 26.04333, 108.8625}, {"leidong", "雷洞", 25.91396, 109.34042},
	{"longe", "龙额", 25.80722, 109.2125}, {"luoli", "罗里", 26.34583, 108.93889},
	{"maogong", "茅贡", 26.14611, 108.86083}, {"mengyan", "孟彦", 26.31667, 108.88333},
	{"pingzhai", "平寨", 26.41667, 108.81667}, {"shuangjiang", "双江", 25.96667, 108.92417},
	{"shuikou", "水口", 25.91278, 109.31361}, {"shunhua", "顺化", 26.086, 109.25892},
	{"yongcong", "永从", 26.04222, 109.13139}, {"zhaoxing", "肇兴", 25.91083, 109.17639},
	{"zhongchao", "中潮", 26.1375, 109.22}, {"liping", "黎平", 26.230118, 109.136554},
}

var stops = []string{"寨门", "市场", "卫生院", "风雨桥"}

func place(t township, stop int) wire.PlaceOut {
	return wire.PlaceOut{Village: t.id, Stop: fmt.Sprint("s", stop), Name: t.name + " " + stops[stop],
		Lat: t.lat + float64(stop)*0.001, Lon: t.lon - float64(stop)*0.0015, Datum: wire.DatumWGS84}
}

// county is a made-up market morning: always the same for the same seed.
type county struct {
	rng *rand.Rand
	now time.Time
}

func newCounty(seed uint64, now time.Time) *county {
	return &county{rand.New(rand.NewPCG(seed, 0)), now}
}

// board is what an operator sees a number of seconds into the morning.
func (c *county) board(drivers, waiting, driving, ended int) wire.Board {
	b := wire.Board{At: c.now.UnixMilli(), Area: "liping", Counts: map[string]int{}, Waiting: []wire.Trip{}, Driving: []wire.Trip{}, Ended: []wire.Trip{}}
	for i := range driving {
		t := c.trip(fmt.Sprint("p", 100+i, "-", 1), []string{wire.StateAssigned, wire.StateAssigned, wire.StateArrived, wire.StateRiding, wire.StateRiding}[i%5], time.Duration(i)*47*time.Second)
		v := c.vehicle(i)
		t.Driver = &wire.TripDriver{ID: fmt.Sprint("d", i+1), Vehicle: &v}
		b.Driving = append(b.Driving, t)
	}
	for i := range waiting {
		t := c.trip(fmt.Sprint("a", 3+i%4, "-", 20+i), wire.StateParked, time.Duration(waiting-i)*149*time.Second)
		if i >= waiting-3 {
			t.State = wire.StateOffered
		} else {
			t.Queue = &wire.QueuePlace{Place: i + 1, Of: waiting - 3}
		}
		t.GivesUpAt = t.RequestedAt + (30 * time.Minute).Milliseconds()
		b.Waiting = append(b.Waiting, t)
	}
	for i := range ended {
		t := c.trip(fmt.Sprint("p", 700+i, "-", 2), wire.StateCompleted, time.Duration(20+i)*time.Minute)
		t.Since = c.now.Add(-time.Duration(i) * 40 * time.Second).UnixMilli()
		v := c.vehicle(i)
		t.Driver = &wire.TripDriver{ID: fmt.Sprint("d", 60+i), Vehicle: &v}
		switch {
		case i%9 == 4:
			t.State, t.Ended = wire.StateCancelled, &wire.Ended{ByRole: wire.RolePassenger, Why: wire.WhyFoundOther}
		case i%17 == 11:
			t.State, t.Driver, t.Ended = wire.StateUnserved, nil, &wire.Ended{ByRole: "system", Why: "no_driver"}
		}
		b.Ended = append(b.Ended, t)
	}
	c.crew(&b, drivers)
	for _, t := range slices.Concat(b.Waiting, b.Driving) {
		b.Counts[t.State]++
	}
	b.Latency = &wire.Latency{RequestToOfferP50MS: 3.1, RequestToOfferP99MS: 7.4, Count: 1186}
	return b
}

func (c *county) crew(b *wire.Board, drivers int) {
	for i := range drivers {
		d := wire.BoardDriver{ID: fmt.Sprint("d", i+1), Vehicle: c.vehicle(i)}
		home := townships[c.rng.IntN(len(townships))]
		d.Position = &wire.Fix{Lat: home.lat + c.rng.NormFloat64()*0.03, Lon: home.lon + c.rng.NormFloat64()*0.03, Datum: wire.DatumWGS84, At: b.At, AgeMS: int64(c.rng.IntN(5000))}
		switch {
		case i < len(b.Driving):
			d.Trip, d.State = b.Driving[i].Trip, b.Driving[i].State
			p, q := b.Driving[i].Pickup, b.Driving[i].Dropoff
			share := c.rng.Float64()
			d.Position.Lat, d.Position.Lon = p.Lat+(q.Lat-p.Lat)*share, p.Lon+(q.Lon-p.Lon)*share
		case i < len(b.Driving)+3 && len(b.Waiting) >= 3:
			d.Trip, d.State = b.Waiting[len(b.Waiting)-3+i-len(b.Driving)].Trip, wire.StateOffered
		case i >= drivers-4:
			d.Position = nil
			b.Silent++
		default:
			b.Free++
		}
		b.Drivers = append(b.Drivers, d)
	}
	b.OnDuty = drivers
	slices.SortStableFunc(b.Driving, func(x, y wire.Trip) int { return cmp.Compare(y.RequestedAt, x.RequestedAt) })
}

func (c *county) trip(id, state string, ago time.Duration) wire.Trip {
	from := c.rng.IntN(len(townships))
	to := (from + 1 + c.rng.IntN(len(townships)-1)) % len(townships)
	asked := c.now.Add(-ago)
	return wire.Trip{Trip: id, Version: 3, State: state, Pickup: place(townships[from], c.rng.IntN(4)), Dropoff: place(townships[to], c.rng.IntN(4)),
		Seats: 1 + c.rng.IntN(4), RequestedAt: asked.UnixMilli(), Since: asked.Add(ago / 3).UnixMilli(),
		Booker: &wire.Party{Role: []string{wire.RolePassenger, wire.RoleAgent, wire.RoleOperator}[c.rng.IntN(3)], ID: "b"}}
}

func (c *county) vehicle(i int) wire.Vehicle {
	classes := []wire.Vehicle{{Class: "minibus", Seats: 7}, {Class: "car", Seats: 4}, {Class: "minivan", Seats: 6}}
	v := classes[i%len(classes)]
	v.ID = fmt.Sprintf("贵H·D%04d", 211+i*37)
	return v
}
