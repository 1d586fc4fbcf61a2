package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch/redisstore/redistest"
	"cuntong/web/webtest"
)

// patience bounds how long a test that fails hangs, on a machine as busy as it likes. It is
// no expectation.
const patience = 2 * time.Minute

// asProgram makes the test binary be the program itself, so that tests can start
// real processes, and kill them.
const asProgram = "DISPATCHD_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	code := m.Run()
	webtest.Stop()
	os.Exit(code)
}

// program runs the program to its end and returns what it printed.
func program(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// tokenFor makes a token with the program, within this process: a hundred processes for a
// hundred tokens take minutes on a busy machine.
func (p *process) tokenFor(role, id string, more ...string) string {
	p.t.Helper()
	var out, errs strings.Builder
	if err := run(p.t.Context(), append([]string{"token", "--data-dir", p.data, "--role", role, "--id", id}, more...), &out, &errs); err != nil {
		p.t.Fatalf("token: %v: %s", err, errs.String())
	}
	return strings.TrimSpace(out.String())
}

// process is a running server.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	exited  chan struct{}
	err     error
	public  string // host:port
	private string
	data    string

	mu  sync.Mutex // guards the following field
	log []string
}

// startServer starts a server process and waits until it serves.
func startServer(t *testing.T, data string, args ...string) *process {
	t.Helper()
	p := &process{t: t, exited: make(chan struct{}), data: data}
	all := append([]string{"serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--private-listen", "127.0.0.1:0", "--log-format", "json"}, args...)
	p.cmd = exec.Command(os.Args[0], all...)
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serving := make(chan struct{})
	go p.follow(stderr, serving)
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("the server's log:\n%s", strings.Join(p.lines(), "\n"))
		}
	})
	select {
	case <-serving:
	case <-p.exited:
		t.Fatalf("the server ended: %v\n%s", p.err, strings.Join(p.lines(), "\n"))
	case <-time.After(patience):
		t.Fatal("the server does not serve")
	}
	return p
}

// servingText is what a server says in the other form of its log.
var servingText = regexp.MustCompile(` msg=serving public=http://(\S+) private=http://(\S+) `)

func (p *process) follow(stderr io.Reader, serving chan struct{}) {
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		p.mu.Lock()
		p.log = append(p.log, lines.Text())
		p.mu.Unlock()
		var event struct{ Msg, Public, Private string }
		if json.Unmarshal(lines.Bytes(), &event) == nil && event.Msg == "serving" {
			p.public, p.private = strings.TrimPrefix(event.Public, "http://"), strings.TrimPrefix(event.Private, "http://")
			close(serving)
		}
		if m := servingText.FindStringSubmatch(lines.Text()); m != nil {
			p.public, p.private = m[1], m[2]
			close(serving)
		}
	}
	p.err = p.cmd.Wait()
	close(p.exited)
}

func (p *process) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.log...)
}

func (p *process) logged(text string) bool {
	return strings.Contains(strings.Join(p.lines(), "\n"), text)
}

// end waits for the process to be gone, and returns its exit error.
func (p *process) end() error {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatal("the server does not end")
	}
	return p.err
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// get returns the status and body of a page.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func (p *process) ready() bool {
	status, _ := get(p.t, "http://"+p.public+"/readyz")
	return status == http.StatusOK
}

// until waits for a condition, and fails the test when it does not come.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// phone is a client that knows nothing but docs/PROTOCOL.md: it writes JSON by hand.
type phone struct {
	t      *testing.T
	name   string
	conn   *websocket.Conn
	frames chan map[string]any // closed when the connection ends
	closed error               // why it ended; read after frames is closed
}

// dial connects somebody with a token made by the program.
func (p *process) dial(role, id string, tokenArgs ...string) *phone {
	p.t.Helper()
	return p.dialWith(p.tokenFor(role, id, tokenArgs...), id)
}

func (p *process) dialWith(token, name string) *phone {
	p.t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"cuntong.v1.json"}, HandshakeTimeout: patience}
	conn, _, err := dialer.Dial("ws://"+p.public+"/ws", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		p.t.Fatal(err)
	}
	ph := &phone{t: p.t, name: name, conn: conn, frames: make(chan map[string]any, 10_000)}
	go ph.listen()
	p.t.Cleanup(func() { conn.Close() })
	ph.say(`{"t":"hello","b":{"now_ms":%d}}`, time.Now().UnixMilli())
	ph.hear("welcome")
	return ph
}

func (ph *phone) listen() {
	defer close(ph.frames)
	for {
		var frame map[string]any
		if ph.closed = ph.conn.ReadJSON(&frame); ph.closed != nil {
			return
		}
		ph.frames <- frame
	}
}

func (ph *phone) say(format string, args ...any) {
	ph.t.Helper()
	if err := ph.conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...)); err != nil {
		ph.t.Fatalf("%s: %v", ph.name, err)
	}
}

// hear waits for a message of a type for which every given field has its value,
// and returns its body. A field is "path=value" within the body, or "re=id".
func (ph *phone) hear(typ string, fields ...string) map[string]any {
	ph.t.Helper()
	body, ok := ph.heard(patience, typ, fields...)
	if !ok {
		ph.t.Fatalf("%s waits in vain for %s %v", ph.name, typ, fields)
	}
	return body
}

// heard is hear for a while.
func (ph *phone) heard(wait time.Duration, typ string, fields ...string) (map[string]any, bool) {
	ph.t.Helper()
	return ph.await(wait, func(frame, body map[string]any) bool { return frame["t"] == typ && matches(frame, body, fields) })
}

// await waits for a while for a message that is wanted, and returns its body.
func (ph *phone) await(wait time.Duration, wanted func(frame, body map[string]any) bool) (map[string]any, bool) {
	ph.t.Helper()
	timeout := time.After(wait)
	for {
		select {
		case frame, ok := <-ph.frames:
			if !ok {
				ph.t.Fatalf("%s: the connection has ended: %v", ph.name, ph.closed)
			}
			body, _ := frame["b"].(map[string]any)
			if wanted(frame, body) {
				return body, true
			}
		case <-timeout:
			return nil, false
		}
	}
}

// offered waits for a while for the offer of a trip, which is told by itself or in a truth.
func (ph *phone) offered(wait time.Duration, trip string) (offer any, ok bool) {
	ph.t.Helper()
	_, ok = ph.await(wait, func(frame, body map[string]any) bool {
		if frame["t"] == "truth" {
			body, _ = body["offer"].(map[string]any)
		} else if frame["t"] != "offer" {
			return false
		}
		offer = body["offer"]
		return body["trip"] == trip
	})
	return offer, ok
}

func matches(frame, body map[string]any, fields []string) bool {
	for _, field := range fields {
		path, want, _ := strings.Cut(field, "=")
		if path == "re" {
			if fmt.Sprint(frame["re"]) != want {
				return false
			}
			continue
		}
		var at any = body
		for step := range strings.SplitSeq(path, ".") {
			inner, _ := at.(map[string]any)
			at = inner[step]
		}
		if fmt.Sprint(at) != want {
			return false
		}
	}
	return true
}

// closeCode waits for the connection to end and returns the code it ended with.
func (ph *phone) closeCode() int {
	ph.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case _, ok := <-ph.frames:
			if ok {
				continue
			}
			if code, ok := ph.closed.(*websocket.CloseError); ok {
				return code.Code
			}
			return -1
		case <-timeout:
			ph.t.Fatalf("%s: the connection does not end", ph.name)
		}
	}
}

func (ph *phone) at(lat, lon float64) {
	ph.t.Helper()
	ph.say(`{"t":"position","b":{"lat":%.5f,"lon":%.5f,"datum":"wgs84","at":%d}}`, lat, lon, time.Now().UnixMilli())
}

// ask books a trip from here to a place some kilometres north.
func (ph *phone) ask(trip string, lat, lon float64) {
	ph.t.Helper()
	ph.say(`{"t":"request","id":"ask-%s","b":{"trip":"%s","seats":1,`+
		`"pickup":{"lat":%.5f,"lon":%.5f,"datum":"wgs84"},"dropoff":{"lat":%.5f,"lon":%.5f,"datum":"wgs84"}}}`, trip, trip, lat, lon, lat+0.1, lon)
}

// do gives a driver's command about a trip and waits for the answer.
func (ph *phone) do(command, trip string) {
	ph.t.Helper()
	id := command + "-" + trip
	ph.say(`{"t":"%s","id":"%s","b":{"trip":"%s"}}`, command, id, trip)
	ph.hear("done", "re="+id)
}

func (ph *phone) accept(trip string) {
	ph.t.Helper()
	offer, ok := ph.offered(patience, trip)
	if !ok {
		ph.t.Fatalf("%s waits in vain for an offer of %s", ph.name, trip)
	}
	ph.take(trip, offer)
}

// take accepts an offer.
func (ph *phone) take(trip string, offer any) {
	ph.t.Helper()
	ph.say(`{"t":"accept","id":"accept-%s","b":{"trip":"%s","offer":"%s"}}`, trip, trip, offer)
	ph.hear("done", "re=accept-"+trip)
}

// driver connects a driver, puts him on duty and tells where he is.
func (p *process) driver(id string, lat, lon float64) *phone {
	p.t.Helper()
	ph := p.dial("driver", id, "--vehicle", "minivan", "--seats", "7")
	ph.say(`{"t":"duty","id":"duty","b":{"on":true}}`)
	ph.hear("done", "re=duty")
	ph.at(lat, lon)
	return ph
}

// freePort returns an address nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	addr, err := redistest.FreeAddr("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
