package node

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an operator sees of a server among several. Label values are few
// and fixed; none names an area, a server or a person.
type metrics struct {
	areas      prometheus.Gauge
	peers      prometheus.Gauge
	takeovers  *prometheus.CounterVec
	ends       *prometheus.CounterVec
	handovers  *prometheus.CounterVec
	handover   prometheus.Histogram
	forwarded  *prometheus.CounterVec
	letters    *prometheus.CounterVec
	parcels    *prometheus.CounterVec
	gaps       prometheus.Counter
	refreshes  *prometheus.CounterVec
	unlearned  prometheus.Counter
	exchangeNo *prometheus.CounterVec
}

// Why an area was taken.
const (
	takenFree      = "free"      // nobody held it
	takenExpired   = "expired"   // its writer has let the lease run out
	takenHanded    = "handed"    // its writer gave it to us
	takenRestarted = "restarted" // its writer was an earlier run of ours
	takenLeft      = "left"      // nobody to whom it was dealt took it
)

// What became of a hand-over.
const (
	handedOver     = "done"
	handUnanswered = "unanswered"
	handFailed     = "failed"
)

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		areas: prometheus.NewGauge(prometheus.GaugeOpts{Name: "cuntong_node_areas", Help: "Areas that this server writes."}),
		peers: prometheus.NewGauge(prometheus.GaugeOpts{Name: "cuntong_node_peers", Help: "Servers on this Redis that live, this one included."}),
		takeovers: vec("cuntong_node_takeovers_total",
			"Areas taken to write, by reason: nobody held it (free), its writer let the lease run out (expired), its writer gave it (handed), an earlier run of this server had it (restarted), nobody else took it (left).", "reason"),
		ends: vec("cuntong_node_writer_ends_total",
			"Ends of this server's writing of an area: planned, fenced (another writer has it), behind (the journal is not as left), damaged (it cannot be read), panic, or other.", "reason"),
		handovers: vec("cuntong_node_handovers_total", "Planned hand-overs of an area to another server, by result.", "result"),
		handover: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "cuntong_node_handover_seconds",
			Help: "Time in which an area that was handed to this server had no writer.", Buckets: []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}}),
		forwarded: vec("cuntong_node_forwarded_total",
			"What came here for an area that another server writes: commands and positions sent on, and what was refused or dropped because it could not be.", "what"),
		letters: vec("cuntong_node_letters_total",
			"Letters from the inboxes of areas written here: received, discarded once settled, unreadable.", "event"),
		parcels: vec("cuntong_node_parcels_total",
			"Parcels between servers: sent, received, full (dropped, the queue was full), failed (given up), stale (of a writer that has been followed by another), doubled, unreadable.", "event"),
		gaps: prometheus.NewCounter(prometheus.CounterOpts{Name: "cuntong_node_gaps_total",
			Help: "Times that notices to phones here were seen to be missing; they were asked for anew."}),
		refreshes: vec("cuntong_node_refreshes_total", "Times that the present truth was asked for anew for all phones of an area, by reason: gap, writer (another one), or box (the post box could not be read).", "reason"),
		unlearned: prometheus.NewCounter(prometheus.CounterOpts{Name: "cuntong_node_presence_full_total",
			Help: "Times that a party's server was not noted because too many are."}),
		exchangeNo: vec("cuntong_node_exchange_errors_total", "Calls to the exchange between servers that failed, by call.", "call"),
	}
	for _, each := range []struct {
		vec    *prometheus.CounterVec
		values []string
	}{
		{m.takeovers, []string{takenFree, takenExpired, takenHanded, takenRestarted, takenLeft}},
		{m.ends, []string{"planned", "fenced", "behind", "damaged", "panic", "other"}},
		{m.handovers, []string{handedOver, handUnanswered, handFailed}},
		{m.forwarded, []string{"command", "position", "refused", "dropped"}},
		{m.letters, []string{"received", "discarded", "unreadable"}},
		{m.parcels, []string{"sent", "received", "full", "failed", "stale", "doubled", "unreadable"}},
		{m.refreshes, []string{"gap", "writer", "box"}},
		{m.exchangeNo, []string{"beat", "tenures", "send", "receive", "discard", "deliver", "collect"}},
	} {
		for _, value := range each.values {
			each.vec.WithLabelValues(value)
		}
	}
	reg.MustRegister(m.areas, m.peers, m.takeovers, m.ends, m.handovers, m.handover, m.forwarded, m.letters, m.parcels, m.gaps, m.refreshes, m.unlearned, m.exchangeNo)
	return m
}

func vec(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
}
