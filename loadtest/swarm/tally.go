package swarm

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// counter names one of the things that are counted.
type counter int

const (
	requestsDue counter = iota
	requestsShed
	requestsDone
	requestsRefused
	offers
	accepts
	declines
	assignments
	releases
	completed
	cancelled
	noShows
	unserved
	openAtEnd
	endedUnseen
	connects
	connectFailures
	reconnects
	darkStretches
	turnedAway
	drains
	duplicates
	retries
	truthsAgain
	receiptsGiven
	requestsAgain
	lateAnswers
	strayAnswers
	leftovers
	brokenFrames
	positionsSent
	positionsSeen
	framesOut
	framesIn
	bytesOut
	bytesIn
	unanswered
	violations
	numCounters
)

// Info names a figure and says what it is.
type Info struct{ Name, About string }

var counterInfos = [numCounters]Info{
	requestsDue:     {"requests_due", "bookings whose moment came"},
	requestsShed:    {"requests_shed", "bookings that were never sent, because this program could not keep up"},
	requestsDone:    {"requests_done", "bookings that the server took"},
	requestsRefused: {"requests_refused", "bookings that the server refused for good"},
	offers:          {"offers", "offers that reached a driver"},
	accepts:         {"accepts", "offers that drivers accepted"},
	declines:        {"declines", "offers that drivers turned down"},
	assignments:     {"assigned", "times that a booker was told of a driver"},
	releases:        {"releases", "trips that drivers gave back"},
	completed:       {"completed", "trips that ended at the drop-off"},
	cancelled:       {"cancelled", "trips that their booker or the operator ended"},
	noShows:         {"no_shows", "trips that their driver ended because nobody came"},
	unserved:        {"unserved", "trips that the server gave up"},
	openAtEnd:       {"open_at_end", "trips still open after settling, then called off"},
	endedUnseen:     {"ended_unseen", "trips that ended while nobody who knew of them was connected"},
	connects:        {"connects", "connections made"},
	connectFailures: {"connect_failures", "attempts to connect that failed"},
	reconnects:      {"reconnects", "connections made by a party that had one before"},
	darkStretches:   {"dark_stretches", "times that a phone lost its signal on purpose"},
	turnedAway:      {"turned_away", "parties told not to come back"},
	drains:          {"drains", "drain frames received"},
	duplicates:      {"duplicates", "commands sent twice on purpose"},
	retries:         {"retries", "commands sent again because the server asked for it"},
	truthsAgain:     {"truths_again", "truths that came in the middle of a connection"},
	receiptsGiven:   {"receipts_given", "receipts of trips that were given back on connecting"},
	requestsAgain:   {"requests_again", "bookings sent again under the same trip id, because the server did not list a trip that it had taken"},
	lateAnswers:     {"late_answers", "commands sent three times within 30 s on a live connection, and not answered"},
	strayAnswers:    {"stray_answers", "answers to a command that was not open: second ones, mostly, to what was sent again after 10 s"},
	leftovers:       {"leftovers", "open trips of an earlier run that were found and called off"},
	brokenFrames:    {"broken_frames", "frames that could not be read"},
	positionsSent:   {"positions_sent", "positions that drivers sent"},
	positionsSeen:   {"positions_seen", "positions that reached a rider"},
	framesOut:       {"frames_out", "frames sent"},
	framesIn:        {"frames_in", "frames received"},
	bytesOut:        {"bytes_out", "payload bytes sent"},
	bytesIn:         {"bytes_in", "payload bytes received"},
	unanswered:      {"unanswered", "commands without an answer at the end"},
	violations:      {"violations", "promises that the server broke"},
}

// Counters lists what is counted.
func Counters() []Info { return append([]Info(nil), counterInfos[:]...) }

// latency names one of the things that are timed.
type latency int

const (
	connecting latency = iota
	requestToDone
	requestToOffer
	requestToOfferUnparked
	offerToAssigned
	positionToVisible
	feedLag
	numLatencies
)

var latencyInfos = [numLatencies]Info{
	connecting:             {"connect", "dial begun → welcome received"},
	requestToDone:          {"request_to_done", "request intended → its answer received"},
	requestToOffer:         {"request_to_offer", "request intended → first offer received by a driver"},
	requestToOfferUnparked: {"request_to_offer_unparked", "the same, for trips that never had to wait for a free driver before"},
	offerToAssigned:        {"offer_to_assigned", "accept sent → booker told of the driver"},
	positionToVisible:      {"position_to_visible", "position sent by a driver with a trip → seen by his rider"},
	feedLag:                {"feed_lag", "request intended → handed to the rider; the share of this program"},
}

// LatencyInfos lists what is timed.
func LatencyInfos() []Info { return append([]Info(nil), latencyInfos[:]...) }

// The range of the histograms, in microseconds, and their precision.
const (
	shortest = 1
	longest  = int64(time.Hour / time.Microsecond)
	digits   = 3
)

// timing is one latency's histogram.
type timing struct {
	mu sync.Mutex
	// Guarded by mu.
	all *hdrhistogram.Histogram
	// recent is since the last sample; nil where nobody asks.
	recent *hdrhistogram.Histogram
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(shortest, longest, digits) }

// tally counts and times. Its methods may be called from any goroutine.
type tally struct {
	counts [numCounters]atomic.Int64
	// Now: pending commands have no answer, open trips are not over, drivers and riders
	// are connected, onDuty drivers were told so last.
	pending, open, drivers, riders, onDuty atomic.Int64
	timings                                [numLatencies]timing

	mu sync.Mutex
	// Guarded by mu.
	refusals map[string]int64
	closes   map[int]int64
	reasons  map[string]int64 // why parties were turned away
	lastFail string           // the last failure to connect
}

func newTally() *tally {
	t := &tally{refusals: map[string]int64{}, closes: map[int]int64{}, reasons: map[string]int64{}}
	for i := range t.timings {
		t.timings[i].all = newHistogram()
	}
	t.timings[requestToOffer].recent = newHistogram()
	return t
}

func (t *tally) add(c counter, n int) { t.counts[c].Add(int64(n)) }

func (t *tally) count(c counter) { t.counts[c].Add(1) }

// took records a latency. Less than nothing, as when a clock is set back, counts as nothing.
func (t *tally) took(l latency, d time.Duration) {
	us := min(max(int64(d/time.Microsecond), 0), longest)
	timing := &t.timings[l]
	timing.mu.Lock()
	defer timing.mu.Unlock()
	timing.record(us)
}

func (t *timing) record(us int64) {
	for _, h := range []*hdrhistogram.Histogram{t.all, t.recent} {
		if h == nil {
			continue
		}
		if err := h.RecordValue(us); err != nil {
			panic(fmt.Sprintf("swarm: %d µs is within %d to %d and was not recorded: %v", us, shortest, longest, err))
		}
	}
}

// The most different words kept of refusals and reasons; a server that invents
// more is counted under "other".
const maxWords = 100

// tap counts a frame and its bytes.
func (t *tally) tap(sent bool, frame []byte) {
	frames, bytes := framesIn, bytesIn
	if sent {
		frames, bytes = framesOut, bytesOut
	}
	t.count(frames)
	t.add(bytes, len(frame))
}

func (t *tally) refused(kind, code string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tick(t.refusals, kind+"/"+code)
}

func (t *tally) closed(code int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closes[code]++
}

func (t *tally) sentAway(reason string) {
	t.count(turnedAway)
	t.mu.Lock()
	defer t.mu.Unlock()
	tick(t.reasons, reason)
}

func (t *tally) failed(err error) {
	t.count(connectFailures)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastFail = err.Error()
}

func tick(words map[string]int64, word string) {
	if _, known := words[word]; !known && len(words) >= maxWords {
		word = "other"
	}
	words[word]++
}

// snapshot returns the counters by name.
func (t *tally) snapshot() map[string]int64 {
	m := make(map[string]int64, numCounters)
	for i, info := range counterInfos {
		m[info.Name] = t.counts[i].Load()
	}
	return m
}

func (t *tally) words() (refusals, reasons map[string]int64, closes map[int]int64, lastFail string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.refusals), maps.Clone(t.reasons), maps.Clone(t.closes), t.lastFail
}

// quantiles returns the given percentiles of a latency so far.
func (t *tally) quantiles(l latency, percentiles ...float64) []time.Duration {
	timing := &t.timings[l]
	timing.mu.Lock()
	defer timing.mu.Unlock()
	list := make([]time.Duration, len(percentiles))
	for i, us := range timing.all.ValueAtPercentilesSlice(percentiles) {
		list[i] = time.Duration(us) * time.Microsecond
	}
	return list
}

// takeRecent returns the 50th and 99th percentile of request_to_offer since the
// last call, and how many there were.
func (t *tally) takeRecent() (p50, p99 time.Duration, n int64) {
	timing := &t.timings[requestToOffer]
	timing.mu.Lock()
	defer timing.mu.Unlock()
	n = timing.recent.TotalCount()
	list := timing.recent.ValueAtPercentilesSlice([]float64{50, 99})
	timing.recent.Reset()
	return time.Duration(list[0]) * time.Microsecond, time.Duration(list[1]) * time.Microsecond, n
}
