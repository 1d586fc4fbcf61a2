package client

import (
	"math"
	"slices"
	"strconv"
	"time"

	"cuntong/ws/wire"
)

// The policy "coarser": a position of the dark is kept when the driver has moved
// thinMetres and thinFirst has passed since the last that was kept, or thinLast has
// passed. When maxDark are kept every other one is dropped, and the time between two
// doubles.
const (
	maxDark    = 720
	thinFirst  = 4 * time.Second
	thinLast   = 60 * time.Second
	thinMetres = 15
	// maxDoubtful bounds the positions that were sent since the server was last heard.
	maxDoubtful = 32
	// saveEvery is how many of them a crash may cost.
	saveEvery = 20
	// arrivesIn is how long a frame takes at most that has arrived, beside the round trip:
	// what was sent so long before the server was last heard is not in doubt.
	arrivesIn = 5 * time.Second
	// setBack is by how much a position has to be older than the last for the phone's clock
	// to have been set back, rather than the phone to be late.
	setBack = time.Minute
	// fixBytes is how long a position of a track is at most, in JSON.
	fixBytes = 160
)

// dark are the positions of a trip that could not be sent, oldest first.
type dark struct {
	fixes  []wire.Position
	spaced time.Duration // between two; 0 is thinFirst
	saved  int           // fixes when they were last saved
}

func (d *dark) empty() bool { return len(d.fixes) == 0 }

// keep keeps a position, if it is worth it, and says whether it is.
func (d *dark) keep(p wire.Position) bool {
	if n := len(d.fixes); n > 0 {
		last := &d.fixes[n-1]
		since := time.Duration(p.At-last.At) * time.Millisecond
		switch {
		case since <= -setBack:
		case since < max(d.spaced, thinFirst), since < thinLast && metres(last, &p) < thinMetres:
			return false
		}
	}
	d.fixes = append(d.fixes, p)
	if len(d.fixes) < maxDark {
		return true
	}
	kept := d.fixes[:0]
	for i := 0; i < len(d.fixes); i += 2 {
		kept = append(kept, d.fixes[i])
	}
	d.fixes, d.spaced = kept, 2*max(d.spaced, thinFirst)
	return true
}

// cut takes as many of the oldest as go into one track.
func (d *dark) cut(room int) wire.Track {
	n := min(len(d.fixes), wire.MaxTrackFixes, max(1, (room-256)/fixBytes))
	t := wire.Track{Datum: d.fixes[0].Datum}
	for _, p := range d.fixes[:n] {
		if n := len(t.Fixes); p.Datum != t.Datum || n > 0 && p.At <= t.Fixes[n-1].At {
			break
		}
		t.Fixes = append(t.Fixes, wire.TrackFix{
			Lat: p.Lat, Lon: p.Lon, At: p.At, AccuracyM: p.AccuracyM, HeadingDeg: p.HeadingDeg, SpeedMPS: p.SpeedMPS, Mock: p.Mock,
		})
	}
	d.fixes = slices.Delete(d.fixes, 0, len(t.Fixes))
	if d.saved = 0; len(d.fixes) == 0 {
		d.spaced = 0
	}
	return t
}

// metres is how far two positions are apart, near enough for positions near each other.
func metres(a, b *wire.Position) float64 {
	const perDegree = 111_195
	north := (a.Lat - b.Lat) * perDegree
	east := (a.Lon - b.Lon) * perDegree * math.Cos(a.Lat*math.Pi/180)
	return math.Hypot(north, east)
}

// position takes where the phone is now.
func (m *mind) position(p wire.Position) {
	if m.newest != nil && p.At <= m.newest.At && m.newest.At-p.At < setBack.Milliseconds() {
		return // it is no news
	}
	m.newest = &p
	if m.stage == ready && m.why == "" {
		m.spot, m.stir = &p, true
		return
	}
	m.keepDark(p)
}

// keepDark keeps a position of a trip that the driver is on.
func (m *mind) keepDark(p wire.Position) {
	if m.plain || m.old["track"] || !m.onTrip() {
		return
	}
	if m.dark.keep(p) && len(m.dark.fixes) >= m.dark.saved+saveEvery {
		m.dark.saved, m.dirty = len(m.dark.fixes), true
	}
}

// onTrip says whether the driver is bound to a trip, as far as he knows.
func (m *mind) onTrip() bool {
	if h := m.picture.bound(); h != nil {
		return isBound(m.shown(h.Trip.Trip, h.State))
	}
	for _, c := range m.calls {
		if isBound(m.shown(c.Trip, "")) {
			return true
		}
	}
	return m.owed.trip != ""
}

// doubt notes a position that is sent: it has arrived only when the server is heard later.
func (m *mind) doubt(p wire.Position) {
	if m.plain || !m.onTrip() {
		m.doubtful = m.doubtful[:0]
		return
	}
	if len(m.doubtful) >= maxDoubtful {
		m.doubtful = slices.Delete(m.doubtful, 0, 1)
	}
	m.doubtful = append(m.doubtful, p)
}

// heard notes a sign of life.
func (m *mind) heard(now time.Time) {
	if since := now.Sub(m.pulse.last); len(m.doubtful) > 0 && since > time.Second {
		last := m.doubtful[len(m.doubtful)-1].At
		m.doubtful = slices.DeleteFunc(m.doubtful, func(p wire.Position) bool { return p.At < last-(arrivesIn+m.pulse.slow()).Milliseconds() })
	}
	m.pulse.heard(now)
}

// keepDoubtful keeps what may not have arrived; the server leaves out what it has.
func (m *mind) keepDoubtful() {
	for _, p := range m.doubtful {
		m.keepDark(p)
	}
	m.doubtful = nil
}

// nextTrack returns the next piece of the dark to send, once no command waits.
func (m *mind) nextTrack(now time.Time) (*call, time.Time) {
	if len(m.calls) > 0 || m.old["track"] {
		return nil, time.Time{}
	}
	if len(m.tracks) == 0 && !m.dark.empty() {
		m.named++
		track := m.dark.cut(m.roomy)
		m.tracks = append(m.tracks, &call{Command: Command{
			ID: m.ids + "-" + strconv.Itoa(m.named), Type: wire.TypeTrack, Body: track, DoneAt: time.UnixMilli(track.Fixes[0].At),
		}})
		m.dirty = true
	}
	if len(m.tracks) == 0 {
		return nil, time.Time{}
	}
	c := m.tracks[0]
	switch {
	case m.flies(c, now):
		return nil, m.landsAt(c)
	case c.due.After(now):
		return nil, c.due
	}
	return c, time.Time{}
}
