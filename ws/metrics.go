package ws

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// dropRate is why a frame of a client was not read: it sent too many.
const dropRate = "rate"

// metrics measures one hub. No label names a party.
type metrics struct {
	connections []prometheus.Gauge // in the order of roles
	spoken      []prometheus.Gauge // in the order of codecs
	handshakes  *prometheus.CounterVec
	frames      *prometheus.CounterVec
	refused     *prometheus.CounterVec
	dropped     map[string]prometheus.Counter
	closes      *prometheus.CounterVec
	auth        *prometheus.CounterVec
	depth       prometheus.Histogram
	write       prometheus.Histogram
	panics      prometheus.Counter
	refreshed   prometheus.Counter
	moves       *prometheus.CounterVec
	receipts    *prometheus.CounterVec
	audit       *prometheus.CounterVec
	trips       map[string]prometheus.Counter // by the way they are told
	tickets     *prometheus.CounterVec

	// read and written are the counters of frames by type, looked up without hashing labels.
	read, written map[wire.Type]prometheus.Counter
	readBad       prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	connections := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "cuntong_ws_connections",
		Help: "Connections whose hello was accepted, by role."}, []string{"role"})
	dropped := counters("cuntong_ws_dropped_total",
		"Notices that were not written to a connection, and frames of clients that were not read, by reason.", "reason")
	m := &metrics{
		handshakes: counters("cuntong_ws_handshakes_total", "Upgrade requests by result.", "result"),
		frames:     counters("cuntong_ws_frames_total", "Frames by direction and type; malformed ones have that type.", "direction", "type"),
		refused:    counters("cuntong_ws_refused_total", "Refusals told to clients, by code.", "code"),
		closes: counters("cuntong_ws_closes_total",
			"Connections that ended, by our close code, or client where the client closed, or broken where neither did.", "code"),
		auth: counters("cuntong_ws_auth_failures_total", "Tokens turned down, by reason.", "reason"),
		depth: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "cuntong_ws_lane_frames",
			Help: "Frames that wait in a must-arrive lane when one is added, itself included.", Buckets: prometheus.ExponentialBuckets(1, 2, 10)}),
		write: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "cuntong_ws_write_seconds",
			Help: "Time to hand one frame to the operating system.", Buckets: prometheus.ExponentialBuckets(1e-5, 4, 11)}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "cuntong_ws_panics_total",
			Help: "Bugs that ended a connection and nothing else. Look for the stack in the log."}),
		refreshed: prometheus.NewCounter(prometheus.CounterOpts{Name: "cuntong_ws_refreshes_total",
			Help: "Truths asked for anew for connections that had one, because their area has another writer or notices may be missing."}),
		moves: counters("cuntong_ws_moves_total",
			"Connections of drivers that were taken to another area, which has borrowed them or given them back, by result.", "result"),
		tickets: counters("cuntong_ws_tickets_total", "Tickets of browsers, given and taken, by result.", "result"),
		audit: counters("cuntong_ws_audit_records_total",
			"Records of who looked at whose position, by what; lost are those that could not be kept.", "what"),
		receipts: counters("cuntong_ws_receipts_total", "Receipts of trips, given and given back, by what they were.", "result"),
	}
	trips := counters("cuntong_ws_trips_told_total",
		"Trips told, by how: whole, lean (without the order that the client holds) or same (by name alone, in a truth).", "how")
	m.trips = map[string]prometheus.Counter{}
	for _, way := range tripWays {
		m.trips[way] = trips.WithLabelValues(way)
	}
	spoken := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "cuntong_ws_subprotocol_connections",
		Help: "Connections whose hello was accepted, by subprotocol."}, []string{"subprotocol"})
	for _, codec := range codecs {
		m.spoken = append(m.spoken, spoken.WithLabelValues(codec.Subprotocol()))
	}
	for _, role := range roles {
		m.connections = append(m.connections, connections.WithLabelValues(string(role)))
	}
	m.dropped = map[string]prometheus.Counter{}
	for _, reason := range append([]string{dropRate}, dropReasons...) {
		m.dropped[reason] = dropped.WithLabelValues(reason)
	}
	m.read, m.readBad = m.framesOf("in", wire.ClientTypes()), m.frames.WithLabelValues("in", "malformed")
	m.written = m.framesOf("out", wire.ServerTypes())
	if reg != nil {
		reg.MustRegister(connections, spoken, m.handshakes, m.frames, m.refused, dropped, m.closes, m.auth, m.depth, m.write, m.panics, m.refreshed, m.moves, m.receipts, m.audit, trips, m.tickets)
	}
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func (m *metrics) framesOf(direction string, types []wire.Type) map[wire.Type]prometheus.Counter {
	counters := map[wire.Type]prometheus.Counter{}
	for _, t := range types {
		counters[t] = m.frames.WithLabelValues(direction, string(t))
	}
	return counters
}

func (m *metrics) in(t wire.Type)               { m.read[t].Inc() }
func (m *metrics) inMalformed()                 { m.readBad.Inc() }
func (m *metrics) drop(reason string)           { m.dropped[reason].Inc() }
func (m *metrics) handshake(result string)      { m.handshakes.WithLabelValues(result).Inc() }
func (m *metrics) closed(how string)            { m.closes.WithLabelValues(how).Inc() }
func (m *metrics) moved(result string)          { m.moves.WithLabelValues(result).Inc() }
func (m *metrics) ticket(result string)         { m.tickets.WithLabelValues(result).Inc() }
func (m *metrics) receipt(result string)        { m.receipts.WithLabelValues(result).Inc() }
func (m *metrics) tripTold(way string)          { m.trips[way].Inc() }
func (m *metrics) authFailed(reason AuthReason) { m.auth.WithLabelValues(string(reason)).Inc() }
func (m *metrics) wrote(f wire.ServerFrame, took time.Duration) {
	m.write.Observe(took.Seconds())
	m.written[f.Type].Inc()
	if refused, ok := f.Body.(wire.Refused); ok {
		m.refused.WithLabelValues(refused.Code).Inc()
	}
}

// Connections counts the connections whose hello was accepted, by role. It may be
// called from any goroutine.
func (h *Hub) Connections() map[dispatch.Role]int {
	n := make(map[dispatch.Role]int, len(roles))
	for i, role := range roles {
		n[role] = int(h.connected[i].Load())
	}
	return n
}
