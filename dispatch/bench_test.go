package dispatch

import (
	"fmt"
	"testing"

	"cuntong/geo"
)

// BenchmarkApply measures what the core takes for one input of each kind, among a
// thousand free drivers.
func BenchmarkApply(b *testing.B) {
	rules := DefaultRules()
	rules.MaxOpenPerAgent = 100_000
	c := NewCore(testArea, rules, geo.NewCrow())
	fixes := make([]Fix, 1000)
	for i := range fixes {
		id := DriverID(fmt.Sprintf("d%d", i))
		c.Apply(morning, StartDuty{Command: Command{By: DriverActor(id), ID: "duty"}, Driver: id, Vehicle: Vehicle{Class: geo.Minivan, Load: Load{Seats: 7}}})
		fixes[i] = Fix{Driver: id, At: morning, Received: morning, Point: geo.Point{Lat: 26 + float64(i%32)/100, Lon: 109 + float64(i/32)/100}}
		c.Apply(morning, Moved{Fix: fixes[i]})
	}
	agent := Actor{Role: RoleAgent, ID: "a1"}
	b.Run("position", func(b *testing.B) {
		for i := range b.N {
			fix := fixes[i%len(fixes)]
			fix.Point.Lat += float64(i%7) / 1e5
			c.Apply(morning, Moved{Fix: fix})
		}
	})
	b.Run("request and cancel", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			trip := TripID(fmt.Sprintf("t%d-%d", b.N, i))
			c.Apply(morning, Request{Command: Command{By: agent, ID: CommandID("r" + trip)}, Trip: trip, Order: Order{
				Booker: agent, Channel: ChannelAgent, Product: ProductSolo, Load: Load{Seats: 2},
				Pickup: Place{Name: "here", Point: fixes[i%1000].Point}, Dropoff: Place{Name: "there", Point: geo.Point{Lat: 26.5, Lon: 109.5}}}})
			c.Apply(morning, Cancel{Command: Command{By: agent, ID: CommandID("x" + trip)}, Trip: trip, Why: ReasonChanged})
		}
	})
}
