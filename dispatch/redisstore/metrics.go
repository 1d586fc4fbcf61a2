package redisstore

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the store counts. No label names an area, a driver or a cell.
type metrics struct {
	appendSeconds prometheus.Histogram
	appendFacts   prometheus.Histogram
	snapshotBytes prometheus.Histogram
	retries       *prometheus.CounterVec
	unknown       *prometheus.CounterVec
	pending       *prometheus.CounterVec
	errors        *prometheus.CounterVec
	leases        *prometheus.CounterVec
	mirrorWrites  prometheus.Counter
	mirrorDrops   *prometheus.CounterVec
	mirrorSweeps  *prometheus.CounterVec
	archived      prometheus.Counter
	masters       prometheus.Counter
	copies        prometheus.Gauge
	childStarts   prometheus.Counter
	letters       *prometheus.CounterVec
	clockOff      prometheus.Gauge
	unsafeLedger  prometheus.Gauge
	info          *prometheus.GaugeVec
}

// The names of the calls.
const (
	callLease    = "lease"
	callRelease  = "release"
	callAppend   = "append"
	callSave     = "save"
	callPage     = "load"
	callSnapshot = "snapshot"
	callHead     = "head"
	callMend     = "mend"
	callReseed   = "reseed"
	callArchive  = "archive"
	callMirror   = "mirror"
	callBeat     = "beat"
	callBye      = "bye"
	callTenures  = "tenures"
	callSend     = "send"
	callReceive  = "receive"
	callDiscard  = "discard"
	callDeliver  = "deliver"
	callCollect  = "collect"
	callOnce     = "once"
)

func newMetrics() *metrics {
	return &metrics{
		appendSeconds: histogram("append_seconds", "Time to record one batch of facts in Redis, retries included; the server's fsync is in it.",
			prometheus.ExponentialBucketsRange(0.0001, 4, 16)),
		appendFacts: histogram("append_facts", "Facts in one recorded batch.", prometheus.ExponentialBuckets(1, 2, 10)),
		snapshotBytes: histogram("snapshot_bytes", "Size of one saved snapshot of an area.",
			prometheus.ExponentialBuckets(1<<10, 4, 9)),
		retries: counters("retries_total", "Calls to the ledger sent again because the reply was lost or wrong.", "call"),
		unknown: counters("unknown_outcomes_total", "Calls to the ledger given up without knowing whether they took effect; the caller repeats them.", "call"),
		pending: counters("pending_total", "Changes that too few replicas had in time; they are not acknowledged, and the caller repeats them.", "call"),
		errors:  counters("errors_total", "Failed attempts to talk to Redis, by reason.", "call", "reason"),
		leases:  counters("lease_calls_total", "Calls to take, renew or release the right to write an area, by result.", "result"),
		mirrorWrites: prometheus.NewCounter(opts("mirror_writes_total",
			"Positions of drivers written to the H3 cells.")),
		mirrorDrops: counters("mirror_drops_total", "Positions not written to the H3 cells, or removals not remembered, by reason.", "reason"),
		mirrorSweeps: counters("mirror_sweeps_total", "Entries of the H3 cells removed because they were old, doubled or damaged.",
			"reason"),
		archived: prometheus.NewCounter(opts("archived_trips_total", "Finished trips put into the archive; repetitions count again.")),
		masters: prometheus.NewCounter(opts("master_changes_total",
			"Times the Sentinels named another master; all connections to the old one are closed.")),
		copies: prometheus.NewGauge(prometheus.GaugeOpts(opts("copies",
			"Replicas that must have a change on their disks before it is acknowledged."))),
		childStarts: prometheus.NewCounter(opts("child_starts_total",
			"Starts of the child redis-server; more than one means that it died in between.")),
		letters: counters("letters_total", "Letters between servers, by box and by what became of them: sent, refused because the box was full, forgotten for the same reason, received, read again after Redis lost some, discarded.",
			"box", "what"),
		clockOff: prometheus.NewGauge(prometheus.GaugeOpts(opts("clock_off_seconds",
			"How far the clock of Redis is ahead of the time this server goes by, which follows it by 20 ms a second."))),
		unsafeLedger: prometheus.NewGauge(prometheus.GaugeOpts(opts("ledger_unsafe",
			"1 when acknowledged facts could be lost with the server's power or memory, or when its settings could not be read yet."))),
		info: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("info", "Always 1; says which kind of Redis is in use.")), []string{"kind"}),
	}
}

// register hands every metric to r, or none; nil is nobody.
func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	var done []prometheus.Collector
	for _, c := range []prometheus.Collector{m.appendSeconds, m.appendFacts, m.snapshotBytes, m.retries, m.unknown, m.pending, m.errors, m.leases,
		m.mirrorWrites, m.mirrorDrops, m.mirrorSweeps, m.archived, m.masters, m.copies, m.childStarts, m.letters, m.clockOff, m.unsafeLedger, m.info} {
		if err := r.Register(c); err != nil {
			for _, d := range done {
				r.Unregister(d)
			}
			return fmt.Errorf("metrics of the store: %w", err)
		}
		done = append(done, c)
	}
	return nil
}

func opts(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: "cuntong", Subsystem: "store", Name: name, Help: help}
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(opts(name, help), labels)
}

// histogram has classic buckets for every Prometheus and native ones for those that take them.
func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "cuntong", Subsystem: "store", Name: name, Help: help,
		Buckets:                         buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	})
}
