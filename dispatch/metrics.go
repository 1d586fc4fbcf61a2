package dispatch

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics measures the engines of a process. Areas are summed up: no label names
// an area, a driver or a cell.
type Metrics struct {
	apply           *prometheus.HistogramVec
	matching        prometheus.Histogram
	requestToOffer  prometheus.Histogram
	positionAge     prometheus.Histogram
	candidates      prometheus.Histogram
	contests        prometheus.Histogram
	offers          *prometheus.CounterVec
	tripsEnded      *prometheus.CounterVec
	waitToPickup    prometheus.Histogram
	etaError        prometheus.Histogram
	deeds           *prometheus.CounterVec
	tracked         *prometheus.CounterVec
	refused         *prometheus.CounterVec
	ignored         *prometheus.CounterVec
	positionsMerged prometheus.Counter
	shed            *prometheus.CounterVec
	append          prometheus.Histogram
	batchFacts      prometheus.Histogram
	ledgerRetries   prometheus.Counter
	snapshots       prometheus.Histogram
	replay          prometheus.Gauge
	mirrorDropped   prometheus.Counter
	mends           *prometheus.CounterVec
	archived        *prometheus.CounterVec
	borders         *prometheus.CounterVec
	receipts        *prometheus.CounterVec
	signs           *prometheus.CounterVec
	trust           *prometheus.CounterVec
	braked          *prometheus.CounterVec

	mu      sync.Mutex // guards the following field
	engines []*Engine
}

var (
	secondsFine   = []float64{.00001, .00002, .00005, .0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .25, 1}
	secondsMiddle = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	secondsLong   = []float64{.005, .01, .05, .1, .5, 1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600}
)

// NewMetrics registers the metrics of package dispatch.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		apply: histogramVec("cuntong_dispatch_apply_seconds", "Time the core takes to decide on one input, by kind of input.", secondsFine, "input"),
		matching: histogram("cuntong_dispatch_matching_seconds",
			"Time from a request's arrival in the inbox to its recorded offer being passed on, where a driver was found at once.", secondsMiddle),
		requestToOffer: histogram("cuntong_dispatch_request_to_offer_seconds",
			"Time from a request's arrival at the core to an offer for it, its first or a later one; waiting in the queue included.", secondsLong),
		positionAge: histogram("cuntong_dispatch_position_age_at_match_seconds",
			"Age of the chosen driver's position when he was matched.", []float64{.1, .5, 1, 2, 5, 10, 15, 20, 25, 30, 60}),
		candidates: histogram("cuntong_dispatch_candidates", "Drivers looked at for one match.", prometheus.ExponentialBuckets(1, 2, 12)),
		contests: histogram("cuntong_dispatch_contest_trips", "Trips judged together because they wanted the same drivers; 1: a trip that was looked at again.",
			prometheus.ExponentialBuckets(1, 2, 7)),
		offers: counterVec("cuntong_dispatch_offers_total",
			"Offers by outcome: made, delivered (the phone has it), then accepted, declined, lapsed, unseen (no word came that the phone has it) or withdrawn.", "outcome"),
		tripsEnded:   counterVec("cuntong_dispatch_trips_ended_total", "Trips that ended, by final state.", "state"),
		waitToPickup: histogram("cuntong_dispatch_request_to_arrival_seconds", "Time from a request to the driver's arrival at the pickup.", secondsLong),
		etaError: histogram("cuntong_dispatch_pickup_eta_error_seconds",
			"How far the arrival at the pickup was from when it was promised, either way, by when the driver came and not by when that was known.", secondsLong),
		deeds: counterVec("cuntong_dispatch_deeds_total",
			"What drivers reported later than they did it, by what came of it: late (accepted), reclaimed (a trip was his again), or why it was refused.", "result"),
		tracked: counterVec("cuntong_dispatch_track_positions_total",
			"Positions from the dark, by what came of them: merged into the way of a trip, known already, outside of any trip, old (more than a day), out_of_range.", "result"),
		refused:    counterVec("cuntong_dispatch_refused_total", "Commands that the core refused, by kind.", "kind"),
		ignored:    counterVec("cuntong_dispatch_positions_dropped_total", "Positions that were not taken, by reason; merged ones were overtaken by a newer one while they waited.", "reason"),
		shed:       counterVec("cuntong_dispatch_shed_total", "Inputs that were not taken in, by class (critical, hello, create, track, view) and reason: nothing can be recorded, too many wait, or it would wait too long.", "class", "reason"),
		append:     histogram("cuntong_dispatch_append_seconds", "Time to have one batch of facts recorded, retries included.", secondsMiddle),
		batchFacts: histogram("cuntong_dispatch_append_facts", "Facts in one batch.", prometheus.ExponentialBuckets(1, 2, 10)),
		ledgerRetries: prometheus.NewCounter(prometheus.CounterOpts{Name: "cuntong_dispatch_ledger_retries_total",
			Help: "Calls to the store whose outcome was unknown and that were repeated."}),
		snapshots: histogram("cuntong_dispatch_snapshot_seconds", "Time to make and save one snapshot.", secondsMiddle),
		replay: prometheus.NewGauge(prometheus.GaugeOpts{Name: "cuntong_dispatch_replay_seconds",
			Help: "Time the last replay of an area took."}),
		mirrorDropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "cuntong_dispatch_mirror_dropped_total",
			Help: "Positions that could not be shown to others."}),
		mends: counterVec("cuntong_dispatch_mends_total",
			"Times the store came back without facts that were recorded, by what was done: whole (nothing was missing), mended, reseeded, fenced, conflict (it holds another history: look at it), unknown (tried again).", "result"),
		archived: counterVec("cuntong_dispatch_archived_total",
			"Ended trips on their way to the archive: kept, postponed (tried again with the next snapshot) or dropped (too many waited).", "result"),
		borders: counterVec("cuntong_dispatch_border_events_total", "What happened between areas, by event: see BorderEvent in dispatch/border.go.", "event"),
		signs:   counterVec("cuntong_dispatch_trust_signs_total", "Positions that gave reason to doubt a driver's, by sign: see Sign in dispatch/trust.go.", "sign"),
		trust:   counterVec("cuntong_dispatch_trust_changes_total", "Times that a driver's positions were believed more or less than before, by what they are now.", "band"),
		braked: counterVec("cuntong_dispatch_braked_total",
			"Orders that were refused because they came too fast from one party (orders_fast) or in vain from one place (cell_busy).", "code"),
		receipts: counterVec("cuntong_dispatch_receipts_total",
			"Receipts that phones gave back, by what came of them: known, behind_lifted and recovered (the ledger had lost something, which was put right), conflict and unknown (it could not be).", "result"),
	}
	m.positionsMerged = m.ignored.WithLabelValues("merged")
	reg.MustRegister(m.apply, m.matching, m.requestToOffer, m.positionAge, m.candidates, m.contests, m.offers, m.tripsEnded, m.waitToPickup, m.etaError, m.deeds, m.tracked, m.refused,
		m.ignored, m.shed, m.append, m.batchFacts, m.ledgerRetries, m.snapshots, m.replay, m.mirrorDropped,
		m.mends, m.archived, m.borders, m.receipts, m.signs, m.trust, m.braked, gauges{m})
	return m
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
}

func histogramVec(name, help string, buckets []float64, label string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{label})
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// applied measures one Apply.
func (m *Metrics) applied(in Input, out Outcome, took time.Duration) {
	m.apply.WithLabelValues(inputName(in)).Observe(took.Seconds())
	if out.Ignored != "" {
		m.ignored.WithLabelValues(string(out.Ignored)).Inc()
	}
	for _, match := range out.Matches {
		m.requestToOffer.Observe(float64(match.Waited) / 1000)
		m.positionAge.Observe(float64(match.PositionAge) / 1000)
		m.candidates.Observe(float64(match.Candidates))
	}
	for _, contest := range out.Contests {
		m.contests.Observe(float64(contest.Trips))
	}
	for _, event := range out.Borders {
		m.borders.WithLabelValues(string(event)).Inc()
	}
	for _, sign := range out.Signs {
		m.signs.WithLabelValues(string(sign)).Inc()
	}
	for _, result := range out.Receipts {
		m.receipts.WithLabelValues(string(result)).Inc()
	}
	for _, wait := range out.Waits {
		m.waitToPickup.Observe(float64(wait) / 1000)
	}
	for _, off := range out.ETAErrors {
		m.etaError.Observe(off.Seconds())
	}
	for _, result := range out.Tracked {
		m.tracked.WithLabelValues(string(result)).Inc()
	}
	for _, f := range out.Facts {
		m.fact(f)
	}
	for _, n := range out.Notices {
		if no, ok := n.Body.(Refused); ok {
			m.refused.WithLabelValues(string(no.Refusal.Kind)).Inc()
			if slices.Contains(deedCodes, no.Refusal.Code) {
				m.deeds.WithLabelValues(no.Refusal.Code).Inc()
			}
			if code := no.Refusal.Code; code == codeOrdersFast || code == codeCellBusy {
				m.braked.WithLabelValues(code).Inc()
			}
		}
	}
}

func (m *Metrics) fact(f Fact) {
	switch _, reclaimed := f.Body.(TripReclaimed); {
	case reclaimed:
		m.deeds.WithLabelValues("reclaimed").Inc()
	case deedIn(f.Body).DoneAt != 0:
		m.deeds.WithLabelValues("late").Inc()
	}
	switch b := f.Body.(type) {
	case OfferMade:
		m.offers.WithLabelValues("made").Inc()
	case OfferDelivered:
		m.offers.WithLabelValues("delivered").Inc()
	case TripAssigned:
		m.offers.WithLabelValues("accepted").Inc()
	case OfferClosed:
		m.offers.WithLabelValues(string(b.End)).Inc()
	case TrustChanged:
		m.trust.WithLabelValues(string(b.Band)).Inc()
	case TripCompleted:
		m.tripsEnded.WithLabelValues(string(Completed)).Inc()
	case TripCancelled:
		m.tripsEnded.WithLabelValues(string(Cancelled)).Inc()
	case TripUnserved:
		m.tripsEnded.WithLabelValues(string(Unserved)).Inc()
	}
}

// inputName is the metric label of an input.
func inputName(in Input) string {
	switch in.(type) {
	case Moved:
		return "position"
	case Tick:
		return "tick"
	case Hello:
		return "hello"
	case Watch:
		return "watch"
	case Request:
		return "request"
	case Accept:
		return "accept"
	case AskRoute:
		return "route"
	case AskNearby:
		return "nearby"
	case Look:
		return "look"
	case ChangeRoad, RestoreRoad:
		return "road"
	}
	return "other"
}

func (m *Metrics) appended(facts int, took time.Duration) {
	m.append.Observe(took.Seconds())
	m.batchFacts.Observe(float64(facts))
}

func (m *Metrics) watch(e *Engine) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.engines = append(slices.Clone(m.engines), e) // Collect reads the old list without the lock
}

func (m *Metrics) unwatch(e *Engine) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.engines = slices.DeleteFunc(slices.Clone(m.engines), func(other *Engine) bool { return other == e })
}

// stats is what an engine shows of its state between steps.
type stats struct {
	trips        map[State]int
	free, busy   int
	silent       int
	roadChanges  int
	parkedOldest Instant // when the first in the queue asked; zero when nobody waits
	at           Instant
}

// publish shows the state to the metrics.
func (e *Engine) publish() {
	c := e.core
	s := stats{trips: make(map[State]int, 6), free: c.free.Len(), at: e.now()}
	for _, state := range States() {
		if state.Open() {
			s.trips[state] = c.counts[state]
		}
	}
	s.silent = len(c.drivers) - len(c.fixes)
	s.busy = len(c.fixes) - s.free
	s.roadChanges = len(c.changes)
	if len(c.queue) > 0 {
		s.parkedOldest = c.queue[0].RequestedAt
	}
	e.stats.Store(&s)
}

var (
	tripsDesc   = prometheus.NewDesc("cuntong_dispatch_trips", "Open trips by state.", []string{"state"}, nil)
	driversDesc = prometheus.NewDesc("cuntong_dispatch_drivers",
		"Drivers on duty: free, busy (asked or driving), or silent (not heard of within the freshness limit).", []string{"status"}, nil)
	oldestDesc = prometheus.NewDesc("cuntong_dispatch_parked_oldest_seconds", "How long the first in the queue has waited; 0 when nobody waits.", nil, nil)
	roadsDesc  = prometheus.NewDesc("cuntong_dispatch_road_changes", "Closures, slower paces and limits that are kept, in force or to come.", nil, nil)
	inboxDesc  = prometheus.NewDesc("cuntong_dispatch_inbox_commands", "Commands that wait for the core.", nil, nil)
	readyDesc  = prometheus.NewDesc("cuntong_dispatch_ready", "1 while every area can record, else 0: matching stands still.", nil, nil)
)

// gauges collects the state of all engines at scrape time.
type gauges struct{ metrics *Metrics }

// Describe implements [prometheus.Collector].
func (g gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{tripsDesc, driversDesc, oldestDesc, roadsDesc, inboxDesc, readyDesc} {
		ch <- desc
	}
}

// Collect implements [prometheus.Collector].
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	g.metrics.mu.Lock()
	engines := g.metrics.engines
	g.metrics.mu.Unlock()
	trips := map[State]int{}
	var free, busy, silent, inbox, roadChanges int
	ready, oldest := 1.0, 0.0
	for _, e := range engines {
		inbox += e.inbox.depth()
		if e.Ready() != nil {
			ready = 0
		}
		s := e.stats.Load()
		if s == nil {
			continue
		}
		for state, n := range s.trips {
			trips[state] += n
		}
		free, busy, silent = free+s.free, busy+s.busy, silent+s.silent
		roadChanges += s.roadChanges
		if s.parkedOldest != 0 {
			oldest = max(oldest, InstantOf(e.cfg.Now()).Sub(s.parkedOldest).Seconds())
		}
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for _, state := range States() {
		if state.Open() {
			gauge(tripsDesc, float64(trips[state]), string(state))
		}
	}
	gauge(driversDesc, float64(free), "free")
	gauge(driversDesc, float64(busy), "busy")
	gauge(driversDesc, float64(silent), "silent")
	gauge(oldestDesc, oldest)
	gauge(roadsDesc, float64(roadChanges))
	gauge(inboxDesc, float64(inbox))
	gauge(readyDesc, ready)
}
