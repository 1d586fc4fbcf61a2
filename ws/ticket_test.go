package ws

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"cuntong/ws/wire"
)

// marks is what several servers share of used tickets.
type marks struct {
	mu   sync.Mutex // guards the following fields
	used map[string]bool
	fail bool
}

func newMarks() *marks { return &marks{used: map[string]bool{}} }

func (m *marks) once(_ context.Context, name string, life time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail {
		return false, errors.New("no answer")
	}
	if life < ticketLife {
		return false, errors.New("the mark goes before the ticket")
	}
	first := !m.used[name]
	m.used[name] = true
	return first, nil
}

// askTicket asks for a ticket from a page of an origin.
func (w *world) askTicket(token, origin string) (*httptest.ResponseRecorder, string) {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "https://county.example/ticket", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
		r.Header.Set("Sec-Fetch-Site", map[bool]string{true: "same-origin", false: "cross-site"}[origin == "https://county.example"])
	}
	rec := httptest.NewRecorder()
	w.hub.Tickets().ServeHTTP(rec, r)
	var body struct {
		Ticket     string
		ExpiresInS int `json:"expires_in_s"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		w.t.Errorf("the answer is not JSON: %v", err)
	}
	if rec.Code == http.StatusOK && (body.ExpiresInS != 30 || rec.Header().Get("Cache-Control") != "no-store") {
		w.t.Errorf("the answer is %s %v", rec.Body, rec.Header())
	}
	return rec, body.Ticket
}

// redeem connects with a ticket and returns the phone, or the status it was refused with.
func (w *world) redeem(ticket string) (*phone, int) {
	w.t.Helper()
	ws, resp, err := w.dialer.Dial(w.url()+"?ticket="+url.QueryEscape(ticket), nil)
	if err != nil {
		if resp == nil {
			w.t.Fatal(err)
		}
		return nil, resp.StatusCode
	}
	p := &phone{t: w.t, ws: ws, codec: w.codec, frames: make(chan wire.ServerFrame, 4096), ended: make(chan struct{})}
	w.t.Cleanup(p.hangUp)
	p.listen()
	return p, http.StatusSwitchingProtocols
}

func TestTicketIsGoodOnceAcrossServers(t *testing.T) {
	m := newMarks()
	tickets := func(c *Config) { c.Once = m.once }
	one, two := newWorld(t, tickets), newWorld(t, tickets)
	_, ticket := one.askTicket(one.token(driver1), "")
	if raw, err := base64.RawURLEncoding.DecodeString(ticket); err != nil || bytes.Contains(raw, []byte("driver")) {
		t.Fatalf("the ticket %q shows who it is for: %v", ticket, err)
	}
	p, status := two.redeem(ticket)
	if p == nil {
		t.Fatalf("the other server answers %d", status)
	}
	if welcome := p.hello(); welcome.ID != "d1" || welcome.Role != "driver" {
		t.Errorf("welcome %+v", welcome)
	}
	for _, w := range []*world{one, two} {
		if again, status := w.redeem(ticket); again != nil || status != http.StatusUnauthorized {
			t.Errorf("a used ticket: %d", status)
		}
	}
}

func TestTicketTurnedDown(t *testing.T) {
	m := newMarks()
	w := newWorld(t, func(c *Config) { c.Once = m.once })
	_, good := w.askTicket(w.token(agent), "")
	stranger := newWorld(t, func(c *Config) { c.Once, c.Receipts = m.once, Keys{testKey(t, "z")} })
	_, forged := stranger.askTicket(stranger.token(agent), "")
	flipped := []byte(good)
	flipped[len(flipped)/2] ^= 1
	for name, ticket := range map[string]string{
		"noise": "noise", "a token": w.token(agent), "cut": good[:len(good)-4], "flipped": string(flipped), "another secret's": forged,
		"long": strings.Repeat("A", 10_000), "padded": good + "=",
	} {
		if p, status := w.redeem(ticket); p != nil || status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
	if len(m.used) != 0 {
		t.Errorf("%d marks were made for nothing", len(m.used))
	}
	m.fail = true
	if p, status := w.redeem(good); p != nil || status != http.StatusServiceUnavailable {
		t.Errorf("without a mark: %d", status)
	}
	m.fail = false
	if p, status := w.redeem(good); p == nil {
		t.Errorf("when marks can be made again: %d", status)
	}
}

func TestTicketIsShortLived(t *testing.T) {
	now := time.Now()
	m := newMarks()
	w := newWorld(t, func(c *Config) { c.Once, c.Now = m.once, func() time.Time { return now } })
	_, ticket := w.askTicket(w.token(agent), "")
	brief := w.tokenFor(claimsOf(agent), 5*time.Second)
	_, ends := w.askTicket(brief, "")
	if _, _, result := w.hub.tickets.open(ends, now.Add(5*time.Second+tokenLeeway)); result != ticketLate {
		t.Errorf("a ticket outlives its token: %s", result)
	}
	for after, want := range map[time.Duration]string{ticketLife: ticketTaken, ticketLife + time.Second: ticketLate} {
		if _, _, result := w.hub.tickets.open(ticket, now.Add(after)); result != want {
			t.Errorf("after %v: %s, want %s", after, result, want)
		}
	}
}

func TestWhoGetsTickets(t *testing.T) {
	m, still := newMarks(), time.Now()
	w := newWorld(t, func(c *Config) {
		c.Once, c.Origins, c.Now = m.once, []string{"https://desk.example"}, func() time.Time { return still }
	})
	for name, c := range map[string]struct {
		token, origin string
		want          int
	}{
		"a program":      {w.token(agent), "", 200},
		"the page":       {w.token(agent), "https://desk.example", 200},
		"a page of ours": {w.token(agent), "https://county.example", 200},
		"a foreign page": {w.token(agent), "https://evil.example", 403},
		"null":           {w.token(agent), "null", 403},
		"no token":       {"", "", 401},
		"noise":          {"noise", "", 401},
	} {
		rec, ticket := w.askTicket(c.token, c.origin)
		if rec.Code != c.want || (ticket != "") != (c.want == 200) {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
		allowed := rec.Header().Get("Access-Control-Allow-Origin")
		if want := map[bool]string{true: c.origin}[c.want == 200]; allowed != want {
			t.Errorf("%s: Access-Control-Allow-Origin %q, want %q", name, allowed, want)
		}
	}
	preflight := httptest.NewRequest(http.MethodOptions, "https://county.example/ticket", nil)
	preflight.Header.Set("Origin", "https://desk.example")
	rec := httptest.NewRecorder()
	w.hub.Tickets().ServeHTTP(rec, preflight)
	if rec.Code != http.StatusNoContent || rec.Header().Get("Access-Control-Allow-Headers") != "Authorization" {
		t.Errorf("preflight: %d %v", rec.Code, rec.Header())
	}
	get := httptest.NewRequest(http.MethodGet, "https://county.example/ticket", nil)
	rec = httptest.NewRecorder()
	w.hub.Tickets().ServeHTTP(rec, get)
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", rec.Code)
	}
	token := w.token(operator)
	limited := 0
	for range partyTickets + 5 {
		if rec, _ := w.askTicket(token, ""); rec.Code == http.StatusTooManyRequests {
			limited++
			if !strings.Contains(rec.Body.String(), `"kind":"limited"`) {
				t.Errorf("too many tickets: %s", rec.Body)
			}
		}
	}
	if limited != 5 {
		t.Errorf("%d of %d tickets at once were refused, want 5", limited, partyTickets+5)
	}
	none := newWorld(t)
	if rec, _ := none.askTicket(none.token(agent), ""); rec.Code != http.StatusNotFound {
		t.Errorf("without marks: %d", rec.Code)
	}
	if p, status := none.redeem("x"); p != nil || status != http.StatusUnauthorized {
		t.Errorf("a ticket where there are none: %d", status)
	}
}

// TestHeaderGoesBeforeTicket: a ticket that was not needed is not used.
// A body that does not come keeps nobody from being answered, and no connection open.
func TestTicketDoesNotWaitForABody(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Once = newMarks().once })
	server := httptest.NewServer(w.hub.Tickets())
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "POST /ticket HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+w.token(passenger)+"\r\nContent-Length: 9\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("answered with %v (%v)", resp, err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("not closed: %v", err)
	}
}

func TestHeaderGoesBeforeTicket(t *testing.T) {
	m := newMarks()
	w := newWorld(t, func(c *Config) { c.Once = m.once })
	_, ticket := w.askTicket(w.token(agent), "")
	header := http.Header{"Authorization": {"Bearer " + w.token(operator)}}
	ws, _, err := w.dialer.Dial(w.url()+"?ticket="+ticket, header)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if len(m.used) != 0 {
		t.Error("the ticket was used")
	}
}

func FuzzTicket(f *testing.F) {
	m := newMarks()
	w := newWorld(f, func(c *Config) { c.Once = m.once })
	_, ticket := w.askTicket(w.token(agent), "")
	f.Add(ticket)
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		c, name, result := w.hub.tickets.open(text, time.Now())
		if (result == ticketTaken) != (name != "") || result == ticketTaken && c.Actor != agent {
			t.Fatalf("%q: %s %+v", text, result, c)
		}
	})
}
