package ws

import (
	"math"
	"sync"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// maxLookers bounds the parties whose pace of asking for drivers nearby is remembered at
// a time, which is for as long as it matters: half a minute.
const maxLookers = 20_000

// lookers is how often parties ask for the drivers near a place, whatever connections
// they have and had. The zero value is ready.
type lookers struct {
	mu    sync.Mutex // guards the following field
	pace  map[dispatch.Actor]meter
	swept int64 // when those whose pace does not matter any more were last left out; uptime
}

// ask judges one more question. When more ask at a time than are remembered, the next
// is refused.
func (l *lookers) ask(who dispatch.Actor, now int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, known := l.pace[who]
	if !known && len(l.pace) >= maxLookers && !l.sweep(now) {
		return false
	}
	if !m.take(now*1000, wire.NearbyEvery.Microseconds(), wire.NearbyBurst) {
		return false
	}
	if l.pace == nil {
		l.pace = map[dispatch.Actor]meter{}
	}
	l.pace[who] = m
	return true
}

// sweep forgets whose meter is full again, at most once a second, and says whether
// there is room then.
func (l *lookers) sweep(now int64) bool {
	if now-l.swept < 1000 {
		return false
	}
	l.swept = now
	for who, m := range l.pace {
		if int64(m) <= now*1000 {
			delete(l.pace, who)
		}
	}
	return len(l.pace) < maxLookers
}

func nearbyOut(b dispatch.NearbyTold) wire.NearbyTold {
	told := wire.NearbyTold{At: int64(b.At), Next: int64(b.Next), Cells: []wire.NearbyCell{}}
	for _, c := range b.Cells {
		drivers := wire.SomeDrivers
		if c.Many {
			drivers = wire.ManyDrivers
		}
		told.Cells = append(told.Cells, wire.NearbyCell{Lat: roundDegrees(c.Middle.Lat), Lon: roundDegrees(c.Middle.Lon), Datum: wire.DatumWGS84,
			RadiusM: int64(c.Radius + 0.5), Drivers: drivers})
	}
	return told
}

// roundDegrees leaves six decimals, a tenth of a metre.
func roundDegrees(d float64) float64 { return math.Round(d*1e6) / 1e6 }
