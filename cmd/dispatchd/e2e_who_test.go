package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/gorilla/websocket"
)

// TestSessionsAcrossServers: what ends a session ends it at every server.
func TestSessionsAcrossServers(t *testing.T) {
	f := newFleet(t)
	one, two := f.start("n1"), f.start("n2")
	spread(t, one, two)
	for _, area := range []int{one.writes(two)[0], two.writes(one)[0]} {
		t.Run(fmt.Sprint("area ", area), func(t *testing.T) {
			older := one.dial("driver", fmt.Sprint("d", area), in(area)...)
			older.hear("truth")
			newer := two.dial("driver", fmt.Sprint("d", area), in(area)...)
			if code := older.closeCode(); code != 4504 {
				t.Errorf("the driver's older socket at the other server ends with %d, want 4504", code)
			}
			newer.hear("truth")

			boss := one.dial("operator", fmt.Sprint("o", area), in(area)...)
			token := one.tokenFor("agent", fmt.Sprint("a", area), in(area)...)
			here, there := one.dialWith(token, "here"), two.dialWith(token, "there")
			here.hear("truth")
			there.hear("truth")
			boss.say(`{"t":"bar","id":"bar","b":{"role":"agent","id":"a%d","reason":"test"}}`, area)
			boss.hear("done", "re=bar")
			for _, ph := range []*phone{here, there} {
				if code := ph.closeCode(); code != 4506 {
					t.Errorf("%s: barred, and closed with %d, want 4506", ph.name, code)
				}
			}
			if code := two.dialWith(token, "again").closeCode(); code != 4506 {
				t.Errorf("a barred agent comes back and is closed with %d", code)
			}
			boss.say(`{"t":"lift_bar","id":"lift","b":{"role":"agent","id":"a%d"}}`, area)
			boss.hear("done", "re=lift")

			here, there = one.dialWith(token, "here"), two.dialWith(token, "there")
			here.hear("truth")
			there.hear("truth")
			here.say(`{"t":"logout","id":"out","b":{"everywhere":true}}`)
			here.hear("done", "re=out")
			for _, ph := range []*phone{here, there} {
				if code := ph.closeCode(); code != 4502 {
					t.Errorf("%s: signed out, and closed with %d, want 4502", ph.name, code)
				}
			}
			if code := two.dialWith(token, "old token").closeCode(); code != 4502 {
				t.Errorf("a token from before is closed with %d", code)
			}
			until(t, "a token of the next second is good", func() bool { // tokens count in seconds
				fresh := two.dialWith(two.tokenFor("agent", fmt.Sprint("a", area), in(area)...), "new token")
				defer fresh.conn.Close()
				for frame := range fresh.frames {
					if frame["t"] == "truth" {
						return true
					}
				}
				return false
			})
		})
	}
	t.Run("ticket", func(t *testing.T) {
		ticket := one.ticket(one.tokenFor("agent", "a9", in(0)...))
		for i, p := range []*process{two, one, two} {
			dialer := websocket.Dialer{Subprotocols: []string{"cuntong.v1.json"}}
			conn, resp, err := dialer.Dial("ws://"+p.public+"/ws?ticket="+ticket, nil)
			if err == nil {
				conn.Close()
			}
			if want := map[bool]int{true: 101, false: 401}[i == 0]; resp == nil || resp.StatusCode != want {
				t.Errorf("use %d: %v %v, want %d", i+1, resp, err, want)
			}
		}
	})
}

// ticket fetches a ticket.
func (p *process) ticket(token string) string {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+p.public+"/ticket", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct{ Ticket string }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.Ticket == "" {
		p.t.Fatalf("ticket: %d %v", resp.StatusCode, err)
	}
	return body.Ticket
}

// What must not be found where it does not belong.
const (
	canaryPhone = "13900007788"
	canaryName  = "Canaryson"
	canaryNote  = "third house behind the canary tree"
	canaryLat   = 66.123456 // no moment of the log has such seconds
	canaryLon   = 109.654321
)

// TestNothingLeaks lets people of every role live, and err, and then looks through everything that is written or
// shown where they are not: the log at its most talkative and in both forms, the metrics, and answers to errors.
func TestNothingLeaks(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			p := startServer(t, t.TempDir(), "--redis", "embedded", "--log-format", format, "--log-level", "debug", "--pprof")
			until(t, "the server is ready", p.ready)
			secret, err := os.ReadFile(filepath.Join(p.data, "secret"))
			if err != nil {
				t.Fatal(err)
			}
			hidden := []string{strings.TrimSpace(string(secret)), canaryPhone, canaryName, canaryNote, "66.1234", "109.6543", "66.2234"}
			hidden = append(hidden, p.liveLoudly()...)
			answers := p.errLoudly(hidden[len(hidden)-1])
			_, metrics := get(t, "http://"+p.private+"/metrics")
			for _, id := range []string{"canary-driver", "canary-trip", "canary-agent", "canary-boss", "canary-plate"} {
				if strings.Contains(metrics, id) {
					t.Errorf("the metrics hold the id %s", id)
				}
			}
			for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/admin", "/ws/metrics", "//metrics", "/%6detrics"} {
				if status, _ := get(t, "http://"+p.public+path); status != http.StatusNotFound {
					t.Errorf("%s on the public side: %d, want 404", path, status)
				}
			}
			if status, _ := get(t, "http://"+p.private+"/debug/pprof/cmdline"); status != http.StatusOK {
				t.Errorf("profiles on the private side: %d", status)
			}
			if !p.logged("canary-driver") || !p.logged("token turned down") {
				t.Error("the log says nothing at all: this test looks at nothing")
			}
			for _, text := range append(p.lines(), metrics, answers) {
				for _, word := range hidden {
					if word != "" && strings.Contains(text, word) {
						t.Errorf("%q shows %.30q...", text[:min(len(text), 300)], word)
					}
				}
			}
			oneEventALine(t, format, p.lines())
		})
	}
}

// liveLoudly lets everybody ride once, and returns what must not show: tokens and tickets.
func (p *process) liveLoudly() []string {
	driverToken := p.tokenFor("driver", "canary-driver", "--plate", "canary-plate", "--seats", "7")
	riderToken := p.tokenFor("passenger", canaryPhone)
	agentToken := p.tokenFor("agent", "canary-agent")
	bossToken := p.tokenFor("operator", "canary-boss")
	ticket := p.ticket(agentToken)
	boss := p.dialWith(bossToken, "boss")
	boss.say(`{"t":"watch","b":{"on":true}}`)
	boss.hear("board")
	driver := p.dialWith(driverToken, "driver")
	driver.say(`{"t":"duty","id":"duty","b":{"on":true}}`)
	driver.hear("done", "re=duty")
	driver.say(`{"t":"position","b":{"lat":%f,"lon":%f,"datum":"wgs84","at":%d}}`, canaryLat, canaryLon, time.Now().UnixMilli())
	rider := p.dialWith(riderToken, "rider")
	rider.say(`{"t":"request","id":"c1","b":{"trip":"canary-trip","seats":1,"traveller":{"name":"%s","phone":"%s"},"note":"%s",`+
		`"pickup":{"lat":%f,"lon":%f,"datum":"wgs84"},"dropoff":{"lat":%f,"lon":%f,"datum":"wgs84"}}}`,
		canaryName, canaryPhone, canaryNote, canaryLat, canaryLon, canaryLat+0.1, canaryLon)
	rider.hear("done", "re=c1")
	driver.accept("canary-trip")
	for _, step := range []string{"arrive", "start", "complete"} {
		driver.do(step, "canary-trip")
	}
	rider.say(`{"t":"renew","id":"c2","b":{"token":"%s"}}`, riderToken)
	rider.hear("done", "re=c2")
	rider.say(`{"t":"renew","id":"c3","b":{"token":"%s"}}`, agentToken)
	rider.hear("refused", "re=c3")
	boss.say(`{"t":"bar","id":"c4","b":{"role":"passenger","id":"%s","reason":"%s"}}`, canaryPhone, canaryNote)
	boss.hear("done", "re=c4")
	rider.closeCode()
	p.loudNames(bossToken, driverToken)
	signature := func(token string) string { return token[strings.LastIndex(token, ".")+1:] }
	return []string{ticket, signature(driverToken), signature(riderToken), signature(bossToken), signature(agentToken)}
}

// loudNames says hostile texts wherever somebody may name or say something, each on connections
// of its own: after some frames that cannot be read a connection is closed.
func (p *process) loudNames(bossToken, driverToken string) {
	n := 0
	for _, text := range hostileTexts {
		quoted, err := json.Marshal(canaryName + text[:min(len(text), 300)]) // a longer frame ends the connection
		if err != nil {
			p.t.Fatal(err)
		}
		boss, driver := p.dialWith(bossToken, "loud boss"), p.dialWith(driverToken, "loud driver")
		for _, say := range []string{
			`{"t":"request","id":"loud-%d","b":{"trip":"loud-%[1]d","seats":1,"traveller":{"name":%[2]s},"pickup":{"lat":26.1,"lon":109.6,"datum":"wgs84"},"dropoff":{"lat":26.2,"lon":109.6,"datum":"wgs84"}}}`,
			`{"t":"request","id":"loud-%d","b":{"trip":"loud-%[1]d","seats":1,"note":%[2]s,"pickup":{"lat":26.1,"lon":109.6,"datum":"wgs84"},"dropoff":{"lat":26.2,"lon":109.6,"datum":"wgs84"}}}`,
			`{"t":"request","id":"loud-%d","b":{"trip":%[2]s,"seats":1,"pickup":{"name":%[2]s,"lat":26.1,"lon":109.6,"datum":"wgs84"},"dropoff":{"lat":26.2,"lon":109.6,"datum":"wgs84"}}}`,
			`{"t":"bar","id":"loud-%d","b":{"role":"agent","id":"nobody","reason":%[2]s}}`,
			`{"t":"look","id":"loud-%d","b":{"driver":"canary-driver","reason":%[2]s}}`,
			`{"t":"road","id":"loud-%d","b":{"road":%[2]s,"note":%[2]s}}`,
		} {
			n++
			id := fmt.Sprintf("loud-%d", n)
			boss.say(say, n, quoted)
			boss.replied(id)
		}
		driver.say(`{"t":"release","id":"loud-%d","b":{"trip":"none","why":%s}}`, n, quoted)
		driver.replied(fmt.Sprintf("loud-%d", n))
		boss.conn.Close()
		driver.conn.Close()
	}
}

// replied waits for the answer to a command, whatever it is.
func (ph *phone) replied(id string) {
	ph.t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case frame, ok := <-ph.frames:
			if !ok {
				ph.t.Fatalf("%s: the connection has ended: %v", ph.name, ph.closed)
			}
			if re := frame["re"]; re == id || re == nil && frame["t"] == "refused" {
				return
			}
		case <-timeout:
			ph.t.Fatalf("%s: no answer to %s", ph.name, id)
		}
	}
}

// errLoudly does everything wrong, with what must not show in it, and returns the answers over HTTP.
func (p *process) errLoudly(signature string) (answers string) {
	bad := "e30.e30." + signature
	for _, say := range []string{
		`{"t":"hello","b":{"now_ms":1,"client":"evil\u001b[31m\nlevel=ERROR msg=forged","token":"` + bad + `"}}`,
		`{"t":"hello","b":{"now_ms":1,"client":"evil\u2028\u2029\u0085 level=ERROR","token":"` + bad + `"}}`,
		`{"t":"hello","b":{"now_ms":1,"` + signature + `":"` + canaryPhone + `"}}`,
		`{"t":"` + canaryNote + `","b":{}}`,
		"\x00\x01" + canaryPhone,
		canaryPhone + "\r\n" + canaryName,
		`{"t":"hello","b":{"now_ms":1,"client":"turned\u202eround\u2066","token":"` + p.tokenFor("agent", "canary-agent3") + `"}}`,
		`{"t":"hello","b":{"now_ms":1,"client":"` + strings.Repeat("long", 2500) + `","token":"` + bad + `"}}`,
	} {
		dialer := websocket.Dialer{Subprotocols: []string{"cuntong.v1.json"}}
		conn, _, err := dialer.Dial("ws://"+p.public+"/ws", http.Header{"User-Agent": {"x" + canaryPhone}})
		if err != nil {
			p.t.Fatal(err)
		}
		if err := conn.WriteMessage(websocket.TextMessage, []byte(say)); err != nil {
			p.t.Fatal(err)
		}
		for greeted := false; err == nil && !greeted; {
			var frame []byte
			_, frame, err = conn.ReadMessage()
			greeted = strings.HasPrefix(string(frame), `{"t":"truth"`)
		}
		conn.Close()
	}
	agent := p.dial("agent", "canary-agent2")
	for i, say := range []string{
		`{"t":"request","id":"e%d","b":{"trip":"t","seats":1,"pickup":{"lat":26.123456,"lon":1e400,"datum":"wgs84"}}}`,
		`{"t":"request","id":"e%d","b":{"trip":"` + canaryNote + `"}}`,
		`{"t":"cancel","id":"e%d","b":{"trip":"t","why":"` + canaryPhone + `"}}`,
		`{"t":"look","id":"e%d","b":{}}`,
		`{"t":"accept","id":"e%d","b":{"trip":"t","offer":"o","` + canaryPhone + `":1}}`,
	} {
		agent.say(say, i)
		agent.hear("refused")
	}
	for _, request := range []func(*http.Request){
		func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+bad) },
		func(r *http.Request) { r.Header.Set("Authorization", canaryPhone+" "+bad) },
		func(r *http.Request) { r.Header.Set("Origin", "https://"+canaryPhone+".example") },
		func(r *http.Request) { r.URL.RawQuery = "ticket=" + signature },
		func(r *http.Request) {
			r.URL.Path = "/ticket"
			r.Method = http.MethodPost
			r.Header.Set("Authorization", "Bearer "+bad)
		},
		func(r *http.Request) { r.URL.Path = "/" + signature + "\n\x1b[31m" },
	} {
		r, err := http.NewRequest(http.MethodGet, "http://"+p.public+"/ws", nil)
		if err != nil {
			p.t.Fatal(err)
		}
		for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "cuntong.v1.json"} {
			r.Header.Set(name, value)
		}
		request(r)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			p.t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode < 400 {
			p.t.Errorf("%s %s: %d", r.Method, r.URL.Path, resp.StatusCode)
		}
		answers += string(body)
	}
	return answers
}

// oneEventALine says that nothing that people send begins a line of its own, or steers a terminal.
func oneEventALine(t *testing.T, format string, lines []string) {
	t.Helper()
	for _, line := range lines {
		if format == "json" && !json.Valid([]byte(line)) || format == "text" && !strings.HasPrefix(line, "time=") {
			t.Errorf("not a line of its own: %q", line)
		}
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("a character that does not print: %q", line)
		}
	}
}
