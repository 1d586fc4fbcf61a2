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
	// attempts bounds the tries of one letter.
	attempts = 6
	// firstWait and lastWait bound the waits between them, which double and are drawn at
	// random from nothing on ("full jitter").
	firstWait = time.Second
	lastWait  = time.Minute
	// maxTold bounds the trips of which is kept what somebody was last sent, so that the same
	// state is not sent twice; the oldest is forgotten.
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
	told    map[key]dispatch.State
	order   []key // of told, oldest first
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
	h := &Hook{cfg: cfg, wake: make(chan struct{}, 1), told: map[key]dispatch.State{}}
	h.metrics = newMetrics(cfg.Registerer, h.depth)
	return h, nil
}

// Tell takes the notices that were told to parties of an area who are connected nowhere.
// It does not wait for anything.
func (h *Hook) Tell(area geo.AreaID, notices []dispatch.Notice) {
	now := h.cfg.Now()
	for _, n := range notices {
		if gone, ok := n.Body.(dispatch.OfferGone); ok {
			h.drop(key{n.To, gone.Trip})
		}
		if l, ok := letterOf(area, n, now); ok {
			h.put(l, n.Body, now)
		}
	}
}

func (h *Hook) put(l letter, body dispatch.NoticeBody, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if trip, ok := body.(dispatch.TripTold); ok && !h.news(l.key, trip.Trip.State) {
		return
	}
	w := &waiter{letter: l, due: now}
	for i, have := range h.waiting {
		if have.key == l.key {
			h.metrics.count(resultReplaced)
			h.waiting[i] = w
			h.signal()
			return
		}
	}
	if len(h.waiting) >= maxWaiting {
		h.metrics.count(resultDropped)
		h.waiting = append(h.waiting[:0], h.waiting[1:]...)
	}
	h.waiting = append(h.waiting, w)
	h.signal()
}

// drop takes out a letter that has become untrue.
func (h *Hook) drop(k key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, have := range h.waiting {
		if have.key == k {
			h.metrics.count(resultExpired)
			h.waiting = append(h.waiting[:i], h.waiting[i+1:]...)
			return
		}
	}
}

// news says whether a state is another than the last one that was sent, and notes it.
func (h *Hook) news(k key, state dispatch.State) bool {
	last, known := h.told[k]
	if known && last == state {
		return false
	}
	if !known {
		h.order = append(h.order, k)
	}
	h.told[k] = state
	if len(h.told) > maxTold {
		delete(h.told, h.order[0])
		h.order = append(h.order[:0], h.order[1:]...)
	}
	return true
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

// next takes out a letter that is due, or says how long to wait for one.
func (h *Hook) next() (*waiter, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, wait := h.cfg.Now(), time.Minute
	for i, w := range h.waiting {
		if left := w.due.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		h.waiting = append(h.waiting[:i], h.waiting[i+1:]...)
		return w, 0
	}
	return nil, wait
}

// try sends a letter once, and has it wait for another try if that may help.
func (h *Hook) try(ctx context.Context, w *waiter) {
	now := h.cfg.Now()
	if !now.Before(w.expires) {
		h.metrics.count(resultExpired)
		return
	}
	w.tries++
	again, after := h.send(ctx, w, now)
	switch {
	case ctx.Err() != nil || !again:
		return
	case w.tries >= attempts:
		h.metrics.count(resultGivenUp)
		return
	}
	w.due = h.cfg.Now().Add(max(h.backOff(w.tries), after))
	if !w.due.Before(w.expires) {
		h.metrics.count(resultExpired)
		return
	}
	h.metrics.count(resultRetried)
	h.putBack(w)
}

// putBack has a letter wait again, unless a newer one has taken its place.
func (h *Hook) putBack(w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, have := range h.waiting {
		if have.key == w.key {
			h.metrics.count(resultReplaced)
			return
		}
	}
	if len(h.waiting) >= maxWaiting {
		h.metrics.count(resultDropped)
		return
	}
	h.waiting = append(h.waiting, w)
	h.signal()
}

// backOff is the wait before the next try: full jitter, as in Marc Brooker, "Exponential
// Backoff And Jitter" (AWS Architecture Blog, 2015).
func (h *Hook) backOff(tries int) time.Duration {
	return time.Duration(h.cfg.Chance() * float64(min(lastWait, firstWait<<(tries-1))))
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
