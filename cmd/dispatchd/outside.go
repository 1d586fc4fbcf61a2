package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"cuntong/geo"
	"cuntong/geo/outside"
)

// outsideRouter puts a server that knows roads beside the built-in ones, when the
// configuration names one.
func (s *server) outsideRouter(builtIn geo.Router) (geo.Router, error) {
	cfg := outside.Config{Kind: outside.OSRM, URL: s.cfg.OSRM, Timeout: s.cfg.RouterTimeout, Fallback: builtIn}
	switch {
	case s.cfg.Valhalla != "":
		cfg.Kind, cfg.URL = outside.Valhalla, s.cfg.Valhalla
	case s.cfg.OSRM == "":
		return builtIn, nil
	}
	cfg.Count = s.countOutside()
	router, err := outside.New(cfg)
	if err != nil {
		return nil, err
	}
	s.outside = append(s.outside, router)
	s.log.Info("asking an outside router", "kind", cfg.Kind, "url", cfg.URL)
	return router, nil
}

// newOutsideMetric counts what comes of asking an outside router.
func newOutsideMetric(reg prometheus.Registerer) *prometheus.CounterVec {
	events := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cuntong_outside_router_total",
		Help: "Drives that an outside router's answer was known for (hit) or not, and what became of the questions to it, by event."}, []string{"event"})
	for _, event := range outside.Events() {
		events.WithLabelValues(string(event))
	}
	reg.MustRegister(events)
	return events
}

// countOutside returns what counts an event. The counters are looked up once: they
// are on the path of every drive.
func (s *server) countOutside() func(outside.Event) {
	counters := map[outside.Event]prometheus.Counter{}
	for _, event := range outside.Events() {
		counters[event] = s.outsideEvents.WithLabelValues(string(event))
	}
	return func(e outside.Event) { counters[e].Inc() }
}
