package ws

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cuntong/ws/wire"
)

// FuzzUpgradeRequest sends the bytes of a request to the live handler over a pipe. It is
// answered, or the pipe closed, within the test's patience; nothing panics; it is upgraded
// exactly when RFC 6455 (4.2.1) and our own rules want it, as the test reads them off
// the request by itself; and what is let in is forgotten when it goes.
func FuzzUpgradeRequest(f *testing.F) {
	w := newPipeWorld(f, func(c *Config) {
		c.Origins = []string{"https://desk.example"}
		c.HandshakesPerSecond, c.HandshakeBurst = 100_000, 1_000_000
	})
	for _, request := range upgradeSeeds(w) {
		f.Add([]byte(request))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		request, whole := wholeRequest(request)
		if !whole {
			return // how long a server waits for the rest is for other tests
		}
		conn, err := w.dialer.NetDialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		go func() { _, _ = conn.Write(request) }() // the server may stop reading
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil && !isBroken(err) && err != io.ErrUnexpectedEOF {
			t.Fatalf("%q is answered with nonsense: %v", request, err)
		}
		if isTimeout(err) {
			t.Fatalf("%q is not answered", request)
		}
		may, must := w.judgedByHand(request)
		switch upgraded := err == nil && resp.StatusCode == http.StatusSwitchingProtocols; {
		case upgraded && !may:
			t.Fatalf("%q is upgraded", request)
		case must && err == nil && !upgraded && resp.Header.Get("Content-Type") != "text/plain; charset=utf-8": // else net/http says what is wrong
			t.Fatalf("%q is not upgraded: %+v", request, resp)
		}
		_ = conn.Close()
		here := *w
		here.t = t
		here.eventually("it is forgotten", func() bool { return w.live() == 0 })
		if n := testutilPanics(w); n != 0 || strings.Contains(w.log.String(), "panic") {
			t.Fatalf("%q: %v panics", request, n)
		}
	})
}

// wholeRequest ends a header that does not end by itself, and says whether it does now.
func wholeRequest(request []byte) ([]byte, bool) {
	request = request[:len(request):len(request)]
	switch {
	case bytes.Contains(request, []byte("\n\r\n")), bytes.Contains(request, []byte("\n\n")):
	case bytes.HasSuffix(request, []byte("\n")):
		request = append(request, "\r\n"...)
	default:
		request = append(request, "\r\n\r\n"...)
	}
	_, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	return request, err != io.EOF && err != io.ErrUnexpectedEOF
}

// isTimeout says whether err is the test's patience at its end.
func isTimeout(err error) bool {
	timeout, ok := err.(interface{ Timeout() bool })
	return ok && timeout.Timeout()
}

// upgradeSeeds are requests that are let in, and such as differ from these in one thing.
func upgradeSeeds(w *world) []string {
	good := "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: cuntong.v2.pb, " + wire.SubprotocolPB + "\r\n"
	list := []string{good, good + "Authorization: Bearer " + w.token(passenger) + "\r\n", good + "Authorization: Basic YTpi\r\n", good + "Authorization: Bearer x.y.z\r\n"}
	for _, header := range []string{"Origin: https://desk.example", "Origin: http://x", "Origin: null", "Origin: http://x\r\nOrigin: http://x", "Content-Length: 5", "Content-Length: 0",
		"Transfer-Encoding: chunked", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 8", "Sec-WebSocket-Extensions: permessage-deflate",
		"Expect: 100-continue", "Upgrade: h2c", "Host: y", "X: " + strings.Repeat("a", 5000)} {
		list = append(list, good+header+"\r\n")
	}
	for _, swap := range [][2]string{{"GET", "POST"}, {"GET", "HEAD"}, {"HTTP/1.1", "HTTP/1.0"}, {"HTTP/1.1", "HTTP/2.0"}, {"GET /ws", "GET /ws?ticket=AQ"}, {"GET /ws", "GET http://x/ws"},
		{"GET /ws", "CONNECT x:1"}, {"websocket", "WebSocket"}, {"Upgrade\r\n", "close\r\n"}, {": 13", ": 8"}, {": 13", ": 013"}, {": 13", ": 13, 8"}, {"cuntong.v2.pb, ", ""}, {"cuntong.v1.pb", "cuntong.v1"},
		{"dGhl", "dGh"}, {"dGhl", "!!!!"}, {"Host: x\r\n", ""}, {"\r\n", "\n"}} {
		list = append(list, strings.ReplaceAll(good, swap[0], swap[1]))
	}
	return append(list, "", "\r\n", "PRI * HTTP/2.0\r\n\r\nSM", "GET /ws HTTP/1.1\r\n", "\x16\x03\x01", good+"\r\n"+string(text("{}")))
}

// judgedByHand says whether a request may be upgraded, and whether it must be: of lists
// that are written oddly only the first is said, and of a request with bytes behind it, which
// closes the connection when they are seen in time.
func (w *world) judgedByHand(request []byte) (may, must bool) {
	in := bufio.NewReader(bytes.NewReader(request))
	r, err := http.ReadRequest(in)
	if err != nil {
		return false, false
	}
	must = in.Buffered() == 0
	has := func(name string, tokens ...string) bool {
		values := r.Header.Values(name)
		must = must && len(values) == 1 && plainList.MatchString(values[0])
		return slices.ContainsFunc(strings.Split(strings.Join(values, ","), ","), func(s string) bool {
			return slices.ContainsFunc(tokens, func(token string) bool { return strings.EqualFold(strings.Trim(s, " \t"), token) })
		})
	}
	keys := r.Header.Values("Sec-Websocket-Key")
	if len(keys) != 1 || r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) || r.ContentLength != 0 ||
		!has("Connection", "upgrade") || !has("Upgrade", "websocket") || !has("Sec-Websocket-Protocol", wire.Subprotocol, wire.SubprotocolPB) ||
		!slices.Equal(r.Header.Values("Sec-Websocket-Version"), []string{"13"}) {
		return false, false
	}
	if raw, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(raw) != 16 {
		return false, false
	}
	may = w.letsIn(r)
	return may, may && must
}

// plainList is a list in a header as everybody writes it.
var plainList = regexp.MustCompile(`^[A-Za-z0-9._-]+(, [A-Za-z0-9._-]+)*$`)

// letsIn says whether a request is of a page that may connect and with a token that is good,
// or none.
func (w *world) letsIn(r *http.Request) bool {
	if origins := r.Header.Values("Origin"); len(origins) > 0 {
		_, host, ok := strings.Cut(origins[0], "://")
		if len(origins) > 1 || !strings.EqualFold(origins[0], "https://desk.example") && !(ok && strings.EqualFold(host, r.Host)) {
			return false
		}
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		return r.URL.Query().Get("ticket") == "" // none are given here
	}
	scheme, token, _ := strings.Cut(header, " ")
	_, err := Keys{w.key}.Authenticate(strings.TrimSpace(token), time.Now())
	return err == nil && strings.EqualFold(scheme, "bearer")
}
