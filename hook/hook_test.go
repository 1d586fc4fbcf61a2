package hook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"cuntong/bubble"
	"cuntong/dispatch"
)

// gateway is a county's gateway: it verifies and keeps what it gets.
type gateway struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex // guards the following fields
	got     []received
	answers []int           // of the next requests; then 204
	failing dispatch.TripID // whose next request is answered with 500
	header  http.Header

	// Static. Nil: it answers at once; else it says when a request has come, and waits for leave to answer.
	came, leave chan struct{}
}

type received struct {
	id   string
	body payload
}

const testSecret = "whsec_Y291bnR5IG9mIGxpcGluZyBnYXRld2F5IHNlY3JldA=="

func newGateway(t *testing.T) *gateway {
	g := &gateway{t: t, header: http.Header{}}
	g.server = httptest.NewServer(g)
	t.Cleanup(g.server.Close)
	return g
}

// ServeHTTP verifies a request as the specification says, with code of its own.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	if g.came != nil {
		g.came <- struct{}{}
		<-g.leave
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	id, at, signature := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), r.Header.Get("webhook-signature")
	keyBytes, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(testSecret, "whsec_"))
	mac := hmac.New(sha256.New, keyBytes)
	mac.Write([]byte(id + "." + at + "." + string(raw)))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); signature != want || r.Method != http.MethodPost {
		g.t.Errorf("%s with signature %q, want %q", r.Method, signature, want)
	}
	var seconds int64
	if _, err := fmt.Sscan(at, &seconds); err != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute {
		g.t.Errorf("timestamp %q", at)
	}
	var body payload
	if err := json.Unmarshal(raw, &body); err != nil {
		g.t.Error(err)
	}
	g.got = append(g.got, received{id, body})
	status := http.StatusNoContent
	if body.Data.Trip == g.failing {
		status, g.failing = http.StatusInternalServerError, ""
	}
	if len(g.answers) > 0 {
		status, g.answers = g.answers[0], g.answers[1:]
	}
	for name, values := range g.header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
}

func (g *gateway) received() []received {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]received(nil), g.got...)
}

// start runs a hook to an address that waits for as good as nothing between tries.
func start(t *testing.T, address string, change ...func(*Config)) *Hook {
	t.Helper()
	secret, err := ParseSecret(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{URL: address, Secret: secret, Chance: func() float64 { return 0.001 }}
	for _, f := range change {
		f(&cfg)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return h
}

func (h *Hook) wants(t *testing.T, result string, n float64) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); testutil.ToFloat64(h.metrics.letters[result]) < n && time.Now().Before(deadline); {
		<-tick.C
	}
	if got := testutil.ToFloat64(h.metrics.letters[result]); got != n {
		t.Errorf("%v letters are %s, want %v", got, result, n)
	}
}

var (
	d1 = dispatch.Actor{Role: dispatch.RoleDriver, ID: "d1"}
	p1 = dispatch.Actor{Role: dispatch.RolePassenger, ID: "p1"}
)

func offerTo(d dispatch.Actor, trip dispatch.TripID, left time.Duration) dispatch.Notice {
	return dispatch.Notice{To: d, Body: dispatch.OfferTold{Offer: dispatch.OfferView{ID: dispatch.OfferID(trip) + "/1", Trip: trip, TripVersion: 2,
		Until: dispatch.InstantOf(time.Now().Add(left)), Pickup: dispatch.Place{Name: "肇兴 寨门"}, Load: dispatch.Load{Seats: 2}}}}
}

// since is when everything came to be so that news tells.
var since = dispatch.InstantOf(time.Now())

func news(to dispatch.Actor, trip dispatch.TripID, v dispatch.Version, s dispatch.State) dispatch.Notice {
	return dispatch.Notice{To: to, Body: dispatch.TripTold{Trip: dispatch.TripView{ID: trip, Version: v, State: s, Since: since, Driver: "d1", Vehicle: dispatch.Vehicle{ID: "贵H·D0217"}}}}
}

func TestSentAndSigned(t *testing.T) {
	g := newGateway(t)
	h := start(t, g.server.URL)
	h.Tell("liping", []dispatch.Notice{
		offerTo(d1, "t1", 20*time.Second),
		news(p1, "t2", 3, dispatch.Assigned),
		news(p1, "t2", 4, dispatch.Assigned),                     // timed anew: no news
		news(p1, "t3", 2, dispatch.Offered),                      // nothing to write home about
		news(d1, "t4", 3, dispatch.Assigned),                     // he knows
		news(d1, "t5", 6, dispatch.Cancelled),                    // he must not chase it
		{To: d1, Body: dispatch.DutyTold{}},                      // not sent
		{To: p1, Body: dispatch.QueueTold{Trip: "t2", Place: 1}}, // not sent
	})
	h.wants(t, resultSent, 3)
	types, name := map[string]string{}, regexp.MustCompile("^msg_[A-Za-z0-9_-]{24}$")
	for _, r := range g.received() {
		to := r.body.Data.To
		types[fmt.Sprintf("%s %s %s", r.body.Data.Trip, to.Role, to.ID)] = r.body.Type
		if !name.MatchString(r.id) {
			t.Errorf("a letter is called %q", r.id)
		}
	}
	want := map[string]string{"t1 driver d1": "offer", "t2 passenger p1": "trip.assigned", "t5 driver d1": "trip.cancelled"}
	if !cmp.Equal(types, want) {
		t.Errorf("sent (-got +want):\n%s", cmp.Diff(types, want))
	}
}

func TestTriedAgain(t *testing.T) {
	g := newGateway(t)
	g.answers = []int{500, 408, 429, 503}
	h := start(t, g.server.URL)
	h.Tell("liping", []dispatch.Notice{news(p1, "t1", 3, dispatch.Arrived)})
	h.wants(t, resultSent, 1)
	h.wants(t, resultRetried, 4)
	got := g.received()
	for _, r := range got {
		if r.id != got[0].id {
			t.Errorf("a repeat is called %s, the first %s", r.id, got[0].id)
		}
	}
}

func TestGivenUp(t *testing.T) {
	g := newGateway(t)
	g.answers = slices.Repeat([]int{500}, attempts+2)
	h := start(t, g.server.URL, func(cfg *Config) { cfg.Chance = func() float64 { return 0 } })
	h.Tell("liping", []dispatch.Notice{news(p1, "t1", 3, dispatch.Arrived)})
	h.wants(t, resultGivenUp, 1)
	if n := len(g.received()); n != attempts {
		t.Errorf("tried %d times, want %d", n, attempts)
	}
}

// What the gateway refuses it refuses for good, and a letter goes nowhere else.
func TestRefused(t *testing.T) {
	elsewhere := newGateway(t)
	g := newGateway(t)
	g.answers = []int{400, 401, 404, 302}
	g.header.Set("Location", elsewhere.server.URL)
	h := start(t, g.server.URL)
	for i := range 4 {
		h.Tell("liping", []dispatch.Notice{news(p1, dispatch.TripID(fmt.Sprint("t", i)), 3, dispatch.Arrived)})
	}
	h.wants(t, resultRefused, 4)
	if n := len(g.received()); n != 4 || len(elsewhere.received()) != 0 {
		t.Errorf("%d requests, and %d elsewhere", n, len(elsewhere.received()))
	}
}

// A gateway that is down costs the teller nothing, and an offer is not sent after its time.
func TestGatewayDown(t *testing.T) {
	g := newGateway(t)
	g.server.Close()
	h := start(t, g.server.URL, func(cfg *Config) { cfg.Chance = func() float64 { return 0.999 } })
	h.Tell("liping", []dispatch.Notice{offerTo(d1, "t1", 1500*time.Millisecond)})
	h.wants(t, resultExpired, 1)
	h.Tell("liping", []dispatch.Notice{offerTo(d1, "t2", -time.Second)})
	h.wants(t, resultExpired, 2)
}

// What came later is never told before what was, nor is it after it: a letter waits until the
// one before it about the same trip is through, and one that fails while it is overtaken is
// not tried again.
func TestOneAfterTheOther(t *testing.T) {
	g := newGateway(t)
	g.came, g.leave, g.failing = make(chan struct{}, 10), make(chan struct{}), "t1"
	h := start(t, g.server.URL)
	h.Tell("liping", []dispatch.Notice{news(p1, "t1", 3, dispatch.Assigned)})
	<-g.came // the gateway has it, and does not answer yet
	h.Tell("liping", []dispatch.Notice{news(p1, "t1", 4, dispatch.Cancelled), offerTo(d1, "t2", time.Minute)})
	<-g.came // the other trip does not wait
	if got := g.received(); len(got) != 0 {
		t.Errorf("answered: %v", got)
	}
	close(g.leave)
	h.wants(t, resultReplaced, 1)
	h.wants(t, resultSent, 2)
	var types []string
	for _, r := range g.received() {
		if r.body.Data.Trip == "t1" {
			types = append(types, r.body.Type)
		}
	}
	if !slices.Equal(types, []string{"trip.assigned", "trip.cancelled"}) {
		t.Errorf("of t1 was sent %q", types)
	}
}

// An offer that is over while it is on its way is not tried again, and a trip that has no
// driver any more takes back the word that one comes.
func TestOvertaken(t *testing.T) {
	secret, _ := ParseSecret(testSecret)
	h, err := New(Config{URL: "https://gateway.example.org/", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	gone := dispatch.Notice{To: d1, Body: dispatch.OfferGone{Trip: "t1", Offer: "t1/1", End: dispatch.OfferUnseen}}
	h.Tell("liping", []dispatch.Notice{offerTo(d1, "t1", time.Minute)})
	w, _ := h.next()
	h.Tell("liping", []dispatch.Notice{gone})
	if result := h.putBack(w); result != resultReplaced || h.depth() != 0 {
		t.Errorf("an offer that is gone is %s, %d wait", result, h.depth())
	}
	h.Tell("liping", []dispatch.Notice{news(byPhone, "t2", 3, dispatch.Assigned), news(byPhone, "t2", 5, dispatch.Riding)})
	if h.depth() != 0 {
		t.Error("who sits in the vehicle is told that it comes")
	}
	// The same ids in another area are others.
	h.Tell("liping", []dispatch.Notice{news(p1, "t3", 3, dispatch.Assigned)})
	h.Tell("rongjiang", []dispatch.Notice{news(p1, "t3", 3, dispatch.Assigned)})
	if h.depth() != 2 {
		t.Errorf("%d letters wait, want 2", h.depth())
	}
}

// TestAgain: what a new writer tells again is told by the name that it had.
func TestAgain(t *testing.T) {
	g := newGateway(t)
	again := []dispatch.Notice{news(byPhone, "t1", 3, dispatch.Assigned)}
	for range 2 {
		h := start(t, g.server.URL)
		h.Tell("liping", again)
		h.Tell("liping", again)
		h.wants(t, resultSent, 1)
	}
	if got := g.received(); len(got) != 2 || got[0].id != got[1].id {
		t.Errorf("two servers sent %+v", got)
	}
}

// TestWanted: a driver is sent word of a trip once, however often it is parked, and of one
// that has given up not at all.
func TestWanted(t *testing.T) {
	g := newGateway(t)
	h := start(t, g.server.URL)
	word := func(trip dispatch.TripID, left time.Duration) []dispatch.Notice {
		return []dispatch.Notice{{To: d1, Body: dispatch.Wanted{Trip: trip, Version: 2, Until: dispatch.InstantOf(time.Now().Add(left))}}}
	}
	h.Tell("liping", word("t1", time.Minute))
	h.Tell("liping", word("t1", time.Minute))
	h.Tell("liping", word("t2", -time.Second))
	h.Tell("liping", word("t3", time.Minute))
	h.wants(t, resultSent, 2)
	h.wants(t, resultExpired, 1)
	if got := g.received(); len(got) != 2 || got[0].body.Data.Trip == got[1].body.Data.Trip {
		t.Errorf("sent %+v", got)
	}
}

// Waits grow to a minute and no further, however often a letter is tried.
func TestBackOff(t *testing.T) {
	h := &Hook{cfg: Config{Chance: func() float64 { return 1 }}}
	var total time.Duration
	for try := 1; try < attempts; try++ {
		wait := h.backOff(try)
		if want := min(lastWait, firstWait<<min(try-1, 20)); wait != want {
			t.Errorf("after try %d comes a wait of %v, want %v", try, wait, want)
		}
		total += wait
	}
	if total/2 < 25*time.Minute {
		t.Errorf("a letter is given up after %v in the mean", total/2)
	}
}

// What goes wrong is logged without the gateway's address, whose query may hold a key, and
// without the letter.
func TestLogsNeitherKeyNorNumber(t *testing.T) {
	g := newGateway(t)
	g.answers = []int{400}
	var text syncBuffer
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h := start(t, g.server.URL+"/?key=hush", func(cfg *Config) { cfg.Log = log })
	n := news(byPhone, "t1", 3, dispatch.Assigned)
	told := n.Body.(dispatch.TripTold)
	told.Trip.Order.Traveller.Phone = "13800138000"
	n.Body = told
	h.Tell("liping", []dispatch.Notice{n})
	h.wants(t, resultRefused, 1)
	g.server.Close()
	told.Trip.ID = "t2"
	n.Body = told
	h.Tell("liping", []dispatch.Notice{n})
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(text.String(), "did not answer") && time.Now().Before(deadline); {
		<-tick.C
	}
	if said := text.String(); !strings.Contains(said, "refuses") || !strings.Contains(said, "did not answer") ||
		strings.Contains(said, "hush") || strings.Contains(said, "138") {
		t.Errorf("the log says\n%s", said)
	}
}

// syncBuffer is a buffer that several may write to.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// The bubble has no network: nothing is sent, and what waits is looked at.
func TestWhatWaitsIsBounded(t *testing.T) {
	secret, _ := ParseSecret(testSecret)
	bubble.Test(t, func(t *testing.T) {
		h, err := New(Config{URL: "https://gateway.example.org/", Secret: secret})
		if err != nil {
			t.Fatal(err)
		}
		for i := range maxWaiting + 5 {
			h.Tell("liping", []dispatch.Notice{news(p1, dispatch.TripID(fmt.Sprint("t", i)), 3, dispatch.Assigned)})
		}
		h.wants(t, resultDropped, 5)
		if h.depth() != maxWaiting || h.waiting[0].key.trip != "t5" {
			t.Errorf("%d wait, the first is of %s", h.depth(), h.waiting[0].key.trip)
		}
		// A newer one about the same trip takes the place of the older.
		h.Tell("liping", []dispatch.Notice{news(p1, "t7", 5, dispatch.Cancelled)})
		h.wants(t, resultReplaced, 1)
		if h.depth() != maxWaiting || h.waiting[2].body.Type != "trip.cancelled" {
			t.Errorf("%d wait, t7 is %s", h.depth(), h.waiting[2].body.Type)
		}
		// An offer that is over is not sent.
		h.waiting = nil
		h.Tell("liping", []dispatch.Notice{offerTo(d1, "t1", time.Minute), {To: d1, Body: dispatch.OfferGone{Trip: "t1", Offer: "t1/1", End: dispatch.OfferUnseen}}})
		if h.depth() != 0 {
			t.Error("an offer that is gone waits")
		}
		for i := range maxTold + 10 {
			h.note(key{"liping", p1, dispatch.TripID(fmt.Sprint("x", i))}, told{})
		}
		if len(h.told) > maxTold || len(h.order) != len(h.told) {
			t.Errorf("%d and %d are remembered", len(h.told), len(h.order))
		}
	})
}

func TestAddressesAndSecrets(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://sms.example.org/in": true, "http://127.0.0.1:9000/": true, "http://localhost/x": true, "http://[::1]/": true,
		"http://sms.example.org/in": false, "ftp://x": false, "": false, "https://": false, "https://user:pass@example.org": false, ":": false,
	} {
		if err := CheckURL(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
	for text, ok := range map[string]bool{
		testSecret: true, testSecret + "\n": true, "whsec_c2hvcnQ=": false, strings.TrimPrefix(testSecret, "whsec_"): false, "whsec_?": false, "": false,
		"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)): false,
	} {
		secret, err := ParseSecret(text)
		if (err == nil) != ok || strings.Contains(fmt.Sprintf("%s %v", secret, secret), "county") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// The examples in docs/OPERATING.md are what is sent.
func TestTheExamplesInTheManual(t *testing.T) {
	const file = "../docs/OPERATING.md"
	manual, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, letters := string(manual), storyLetters()
	for name, l := range map[string]letter{"hook": letters[0], "hook-telephone": letters[1]} {
		mark := "<!-- example: " + name + " -->\n```text\n"
		before, rest, ok := strings.Cut(text, mark)
		example, after, ok2 := strings.Cut(rest, "```")
		if !ok || !ok2 {
			t.Fatalf("docs/OPERATING.md shows no example %s", name)
		}
		secret, _ := ParseSecret(testSecret)
		timestamp := fmt.Sprint(storyBegins.Unix())
		want := fmt.Sprintf("POST /cuntong HTTP/1.1\ncontent-type: application/json\nwebhook-id: %s\nwebhook-timestamp: %s\nwebhook-signature: %s\n\n%s\n",
			l.id, timestamp, secret.sign(l.id, timestamp, l.write()), l.write())
		if example != want && !*rewrite {
			t.Errorf("the manual shows\n%s\nsent is\n%s", example, want)
		}
		text = before + mark + want + "```" + after
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
