package hook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cuntong/dispatch"
	"cuntong/geo"
)

// Bounds of a hook.
const (
	// maxWaiting bounds the letters that wait, those for another try included; when there
	// are more the one that came first is dropped. One party has one letter about one trip: a
	// newer takes its place.
	maxWaiting = 1000
	// workers bounds the requests under way.
	workers = 4
	// attempts bounds the tries of one letter: about half an hour of them, if it does not
	// expire before. Who has no other way to hear that a driver comes outlasts a gateway's restart.
	attempts = 60
	// firstWait and lastWait bound the waits between them, which double and are drawn at
	// random from nothing on ("full jitter").
	firstWait    = time.Second
	lastWait     = time.Minute
	maxDoublings = 6
	// maxTold bounds the parties and trips of which is kept what was last sent, so that the same
	// is not sent twice; the one that came first is forgotten.
	maxTold = 10_000
)

// Config is what a hook is made of.
type Config struct {
	// URL is the gateway's: https, or http on this machine.
	URL string
	// Secret signs the requests.
	Secret Secret
	// Timeout bounds one try. Zero: 5 s.
	Timeout time.Duration
	// Client sends; nil: one that follows no redirects and checks certificates.
	Client *http.Client
	// Now is the clock by which letters go stale; nil: [time.Now].
	Now func() time.Time
	// Chance returns a number from 0 up to 1; nil: at random.
	Chance func() float64
	Log    *slog.Logger
	// Registerer takes the metrics; nil: they are counted and not shown.
	Registerer prometheus.Registerer
}

// Hook sends letters. Tell may be called from any goroutine; Run once.
type Hook struct {
	cfg     Config
	metrics *metrics
	wake    chan struct{} // holds a token when something may be due

	mu      sync.Mutex // guards the following fields
	waiting []*waiter  // first come first
	told    map[key]told
	order   []key        // of told, oldest first
	busy    map[key]bool // whose letter is under way; at most workers
}

// waiter is a letter that waits for its next try.
type waiter struct {
	letter
	due   time.Time
	tries int
}

// CheckURL says whether a gateway may be at this address.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return fmt.Errorf("hook: %w", err)
	case u.Host == "" || u.User != nil:
		return errors.New("hook: want an address such as https://gateway.example.org/cuntong, without a password")
	case u.Scheme == "https", u.Scheme == "http" && isHere(u.Hostname()):
		return nil
	}
	return errors.New("hook: want https; http only to this machine")
}

func isHere(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// New returns a hook that is not running.
func New(cfg Config) (*Hook, error) {
	if err := CheckURL(cfg.URL); err != nil {
		return nil, err
	}
	if len(cfg.Secret) < minSecret {
		return nil, errors.New("hook: there is no secret")
	}
	cfg.setDefaults()
	h := &Hook{cfg: cfg, wake: make(chan struct{}, 1), told: map[key]told{}, busy: map[key]bool{}}
	h.metrics = newMetrics(cfg.Registerer, h.depth)
	return h, nil
}

// Tell takes the notices that were told to parties of an area who are connected nowhere.
// It does not wait for anything.
func (h *Hook) Tell(area geo.AreaID, notices []dispatch.Notice) {
	now := h.cfg.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range notices {
		switch b := n.Body.(type) {
		case dispatch.OfferTold:
			l := offerLetter(key{area, n.To, b.Offer.Trip}, b.Offer, now)
			h.put(l, told{id: l.id}, now)
		case dispatch.Wanted:
			h.tellWanted(key{area, n.To, b.Trip}, b, now)
		case dispatch.OfferGone:
			h.overtaken(key{area, n.To, b.Trip}, resultExpired)
		case dispatch.TripTold:
			h.tellTrip(key{area, n.To, b.Trip.ID}, &b.Trip, now)
		}
	}
}

// tellWanted sends a driver word of a trip once; more would only cost.
func (h *Hook) tellWanted(k key, w dispatch.Wanted, now time.Time) {
	l := wantedLetter(k, w, now)
	if h.told[k].id != l.id {
		h.put(l, told{id: l.id}, now)
	}
}

func (h *Hook) tellTrip(k key, v *dispatch.TripView, now time.Time) {
	last := h.told[k]
	switch l, next := tripLetter(k, v, last, now); next {
	case told{}:
		h.overtaken(k, resultReplaced)
	case last: // no news
	default:
		h.put(l, next, now)
	}
}

// put has a letter wait, in the place of an older one about the same trip. The caller holds the lock.
func (h *Hook) put(l letter, is told, now time.Time) {
	h.note(l.key, is)
	defer h.signal()
	w := &waiter{letter: l, due: now}
	if i := h.find(l.key); i >= 0 {
		h.metrics.count(resultReplaced)
		h.waiting[i] = w
		return
	}
	if len(h.waiting) >= maxWaiting {
		h.metrics.count(resultDropped)
		h.waiting = slices.Delete(h.waiting, 0, 1)
	}
	h.waiting = append(h.waiting, w)
}

// find is where the letter to a party about a trip waits; below 0: none does. The caller holds the lock.
func (h *Hook) find(k key) int {
	return slices.IndexFunc(h.waiting, func(w *waiter) bool { return w.key == k })
}

// overtaken takes out a letter that has become untrue, and remembers that it has if it is
// on its way. The caller holds the lock.
func (h *Hook) overtaken(k key, result string) {
	if _, known := h.told[k]; known {
		h.told[k] = told{}
	}
	if i := h.find(k); i >= 0 {
		h.metrics.count(result)
		h.waiting = slices.Delete(h.waiting, i, i+1)
	}
}

// note keeps what a party was told. The caller holds the lock.
func (h *Hook) note(k key, is told) {
	if _, known := h.told[k]; !known {
		h.order = append(h.order, k)
	}
	h.told[k] = is
	if len(h.order) > maxTold {
		delete(h.told, h.order[0])
		h.order = slices.Delete(h.order, 0, 1)
	}
}

func (h *Hook) signal() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *Hook) depth() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.waiting)
}

// Run sends until ctx ends. What waits then is given up: it was recorded, and is told to
// those who come back.
func (h *Hook) Run(ctx context.Context) error {
	var busy sync.WaitGroup
	defer busy.Wait()
	free := make(chan struct{}, workers)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		w, wait := h.next()
		if w == nil {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return nil
			case <-h.wake:
			case <-timer.C:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case free <- struct{}{}:
		}
		busy.Go(func() {
			h.try(ctx, w)
			<-free
		})
	}
}

// next takes out a letter that is due, or says how long to wait for one. The letters to
// one party about one trip go one after the other, or "cancelled" might overtake "assigned".
func (h *Hook) next() (*waiter, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, wait := h.cfg.Now(), time.Minute
	for i, w := range h.waiting {
		if h.busy[w.key] {
			continue // whoever is done with the one before wakes us
		}
		if left := w.due.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		h.waiting = slices.Delete(h.waiting, i, i+1)
		h.busy[w.key] = true
		return w, 0
	}
	return nil, wait
}

// try sends a letter once, and has it wait for another try if that may help.
func (h *Hook) try(ctx context.Context, w *waiter) {
	result := h.outcome(ctx, w)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.busy, w.key)
	h.signal()
	if result == resultRetried {
		result = h.putBack(w)
	}
	if result != "" {
		h.metrics.count(result)
	}
}

// outcome is what came of one try; empty: the run has ended meanwhile.
func (h *Hook) outcome(ctx context.Context, w *waiter) string {
	now := h.cfg.Now()
	if !now.Before(w.expires) {
		return resultExpired
	}
	w.tries++
	result, after := h.send(ctx, w, now)
	switch {
	case ctx.Err() != nil && result != resultSent:
		return ""
	case result != resultRetried:
		return result
	case w.tries >= attempts:
		return resultGivenUp
	}
	w.due = h.cfg.Now().Add(max(h.backOff(w.tries), after))
	if !w.due.Before(w.expires) {
		return resultExpired
	}
	return resultRetried
}

// putBack has a letter wait again, and says what became of it. The caller holds the lock.
func (h *Hook) putBack(w *waiter) string {
	switch is, known := h.told[w.key]; {
	case known && is.id != w.id: // a newer one waits, has been sent, or is not needed
		return resultReplaced
	case len(h.waiting) >= maxWaiting:
		return resultDropped
	}
	h.waiting = append(h.waiting, w)
	return resultRetried
}

// backOff is the wait before the next try: full jitter, as in Marc Brooker, "Exponential
// Backoff And Jitter" (AWS Architecture Blog, 2015).
func (h *Hook) backOff(tries int) time.Duration {
	return time.Duration(h.cfg.Chance() * float64(min(lastWait, firstWait<<min(tries-1, maxDoublings))))
}

// newClient follows no redirects, so that a letter goes where it was meant to go.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			MaxConnsPerHost:     workers,
			MaxIdleConnsPerHost: workers,
			IdleConnTimeout:     time.Minute,
			ForceAttemptHTTP2:   true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
