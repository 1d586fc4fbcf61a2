package ws

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cuntong/ws/wire"
)

// The conformance suite speaks raw bytes to a live hub: what RFC 6455 wants of a server
// that is spoken to wrongly, in the manner of the Autobahn test suite, with cases of our
// own. It uses no library on the client's side. Every case is played in both subprotocols;
// what only one of them can say is in conform_json_test.go and conform_pb_test.go.

// rawFrame is one frame as a client sends it (RFC 6455, 5.2); first is FIN, RSV and opcode.
func rawFrame(first byte, payload []byte) []byte {
	mask := [4]byte{1, 2, 3, 4}
	b := append(rawHeader(first, 0x80, len(payload)), mask[:]...)
	for i, p := range payload {
		b = append(b, p^mask[i%4])
	}
	return b
}

func rawHeader(first, masked byte, n int) []byte {
	switch {
	case n <= 125:
		return []byte{first, masked | byte(n)}
	case n <= 65535:
		return binary.BigEndian.AppendUint16([]byte{first, masked | 126}, uint16(n))
	}
	return binary.BigEndian.AppendUint64([]byte{first, masked | 127}, uint64(n))
}

const (
	fin      = 0x80
	opCont   = 0x0
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

func text(s string) []byte        { return rawFrame(fin|opText, []byte(s)) }
func binaries(b []byte) []byte    { return rawFrame(fin|opBinary, b) }
func closing(p string) []byte     { return rawFrame(fin|opClose, []byte(p)) }
func all(b ...[]byte) []byte      { return bytes.Join(b, nil) }
func code(c int, s string) string { return string(binary.BigEndian.AppendUint16(nil, uint16(c))) + s }

// dialect is a subprotocol as the suite speaks it.
type dialect struct {
	codec  wire.Codec
	opcode byte // of its messages
	other  byte // of the messages that it does not have
	// padded is a cancel under the id m, made n bytes long by what says nothing.
	padded func(n int) []byte
	// paddedSays is what is answered to it.
	paddedSays string
}

func dialects() []dialect { return []dialect{inJSON, inPB} }

// rows are the cases that only this one can say.
func (d dialect) rows() []row {
	if d.codec.Binary() {
		return pbRows()
	}
	return jsonRows()
}

// encoded is a good message of a client.
func (d dialect) encoded(t wire.Type, id string, body any) []byte {
	payload, err := d.codec.EncodeClient(t, id, body)
	if err != nil {
		panic(err) // the suite's own mistake
	}
	return payload
}

// cancels is a good command, which the area of these tests answers with done.
func (d dialect) cancels(id string) []byte {
	return d.encoded(wire.TypeCancel, id, wire.Cancel{Trip: "t1", Why: wire.WhyMistake})
}

// frame is a payload as one message of the dialect.
func (d dialect) frame(payload []byte) []byte { return rawFrame(fin|d.opcode, payload) }

// rawConn is a client of raw bytes.
type rawConn struct {
	t  testing.TB
	d  dialect
	c  net.Conn
	in *bufio.Reader
}

// rawDial upgrades, says hello as a driver, who may send most, and reads up to the truth.
func rawDial(t testing.TB, w *world, d dialect) *rawConn {
	t.Helper()
	r := &rawConn{t: t, d: d, c: rawTCP(t, w)}
	r.in = bufio.NewReader(r.c)
	r.write([]byte("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + d.codec.Subprotocol() + "\r\nAuthorization: Bearer " + w.token(driver1) + "\r\n\r\n"))
	resp, err := http.ReadResponse(r.in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("upgrade: %v %+v", err, resp)
	}
	r.write(d.frame(d.encoded(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})))
	for {
		if f := r.hear(); f.Type == wire.TypeTruth {
			return r
		}
	}
}

func rawTCP(t testing.TB, w *world) net.Conn {
	t.Helper()
	c, err := w.dialer.NetDialContext(t.Context(), "tcp", w.listen.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// write may fail: the server may have closed already.
func (r *rawConn) write(b []byte) { _, _ = r.c.Write(b) }

// read returns the next frame of the server, or opcode 0 at the end.
func (r *rawConn) read() (op byte, payload []byte) {
	r.t.Helper()
	head := make([]byte, 2)
	if _, err := io.ReadFull(r.in, head); err != nil {
		return 0, nil
	}
	if head[0]&0xF0 != fin || head[1]&0x80 != 0 || head[0]&0xF == r.d.other {
		r.t.Fatalf("the server sends % x: fragmented, reserved bits, masked, or a message of the other kind", head)
	}
	n := int(head[1])
	for _, long := range []struct{ mark, size int }{{126, 2}, {127, 8}} {
		if int(head[1]) == long.mark {
			size := make([]byte, 8)
			if _, err := io.ReadFull(r.in, size[8-long.size:]); err != nil {
				r.t.Fatal(err)
			}
			n = int(binary.BigEndian.Uint64(size))
		}
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r.in, payload); err != nil {
		r.t.Fatal(err)
	}
	return head[0] & 0xF, payload
}

// hear returns the next message of the server. Control frames are passed over.
func (r *rawConn) hear() wire.ServerFrame {
	r.t.Helper()
	for {
		switch op, payload := r.read(); op {
		case 0, opClose:
			r.t.Fatalf("ended by % x", payload)
		case r.d.opcode:
			f, err := r.d.codec.DecodeServer(payload)
			if err != nil {
				r.t.Fatal(err)
			}
			return f
		}
	}
}

// ends reads up to the close frame, and returns its code; -1 when there was none, 1005
// when it had no code.
func (r *rawConn) ends() int {
	r.t.Helper()
	for {
		switch op, payload := r.read(); {
		case op == 0:
			return -1
		case op == opClose && len(payload) == 0:
			return 1005
		case op == opClose && (len(payload) < 2 || !utf8.Valid(payload[2:])):
			r.t.Fatalf("close frame % x", payload)
		case op == opClose:
			return int(binary.BigEndian.Uint16(payload))
		}
	}
}

// answers returns what has been answered before the command "alive" is done: the ids of
// what is done, and the codes of what is refused, all of one lane and so in order.
func (r *rawConn) answers() string {
	r.t.Helper()
	var all []string
	for {
		switch f := r.hear(); body := f.Body.(type) {
		case wire.Done:
			if f.Re == lastID {
				return strings.Join(all, " ")
			}
			all = append(all, f.Re)
		case wire.Refused:
			all = append(all, body.Code)
		}
	}
}

// lastID is the id of the command that follows a case after which the connection goes on.
const lastID = "alive"

// row is a case: what is sent, and how the server ends the connection; or, where want is
// alive, what it answers while the connection goes on.
type row struct {
	name string
	send []byte
	want int
	says string
}

// alive is the want of a case after which the connection goes on.
const alive = 0

// done is what is answered to a good command under the id m.
const done = "m"

// framing are the cases that are the same whatever is written in the messages.
func (d dialect) framing() []row {
	m := d.cancels("m")
	begin := func(payload []byte) []byte { return rawFrame(d.opcode, payload) }
	cont := func(payload []byte) []byte { return rawFrame(opCont, payload) }
	last := func(payload []byte) []byte { return rawFrame(fin|opCont, payload) }
	long := func(n uint64) []byte {
		return append(binary.BigEndian.AppendUint64([]byte{fin | d.opcode, 0xFF}, n), 1, 2, 3, 4)
	}
	rows := []row{
		{"1 framing: a message", d.frame(m), alive, done},
		{"1 framing: 125 bytes", d.frame(d.padded(125)), alive, d.paddedSays},
		{"1 framing: 126 bytes", d.frame(d.padded(126)), alive, d.paddedSays},
		{"1 framing: 4096 bytes, the limit", d.frame(d.padded(4096)), alive, d.paddedSays},
		{"1 framing: 4097 bytes", d.frame(d.padded(4097)), 1009, ""},
		{"1 framing: 65535 bytes", d.frame(d.padded(65535)), 1009, ""},
		{"1 framing: 65536 bytes", d.frame(d.padded(65536)), 1009, ""},
		{"1 framing: a length that says 2^62 and sends nothing", long(1 << 62), 1009, ""},
		{"1 framing: a length with the highest bit", long(1 << 63), 1009, ""},
		{"1 framing: a message of the other kind", rawFrame(fin|d.other, m), 1003, ""},
		{"1 framing: an empty message of the other kind", rawFrame(fin|d.other, nil), 1003, ""},
		{"1 framing: the other kind in fragments", all(rawFrame(d.other, m[:5]), last(m[5:])), 1003, ""},
		{"1 framing: not masked", append([]byte{fin | d.opcode, byte(len(m))}, m...), 1002, ""},
		{"2 control: ping with nothing", rawFrame(fin|opPing, nil), alive, ""},
		{"2 control: ping of 125 bytes", rawFrame(fin|opPing, make([]byte, 125)), alive, ""},
		{"2 control: ping of 126 bytes", rawFrame(fin|opPing, make([]byte, 126)), 1002, ""},
		{"2 control: pong unasked", rawFrame(fin|opPong, []byte("why")), alive, ""},
		{"2 control: pong of 126 bytes", rawFrame(fin|opPong, make([]byte, 126)), 1002, ""},
		{"2 control: fragmented ping", rawFrame(opPing, []byte("a")), 1002, ""},
		{"2 control: fragmented close", rawFrame(opClose, []byte(code(1000, ""))), 1002, ""},
		{"2 control: close of 126 bytes", closing(code(1000, strings.Repeat("a", 124))), 1002, ""},
		{"2 control: flood of pings", bytes.Repeat(rawFrame(fin|opPing, []byte("x")), 3000), 4013, ""},
		{"2 control: flood of pongs", bytes.Repeat(rawFrame(fin|opPong, nil), 3000), 4013, ""},
		{"3 fragments: a message in two", all(begin(m[:5]), last(m[5:])), alive, done},
		{"3 fragments: with a ping between", all(begin(m[:5]), rawFrame(fin|opPing, nil), last(m[5:])), alive, done},
		{"3 fragments: an empty one first", all(begin(nil), last(m)), alive, done},
		{"3 fragments: an empty one last", all(begin(m), last(nil)), alive, done},
		{"3 fragments: byte by byte", func() []byte {
			b := begin(m[:1])
			for i := 1; i < len(m)-1; i++ {
				b = append(b, cont(m[i:i+1])...)
			}
			return append(b, last(m[len(m)-1:])...)
		}(), alive, done},
		{"3 fragments: continuation of nothing", last(m), 1002, ""},
		{"3 fragments: an unfinished continuation of nothing", cont(m), 1002, ""},
		{"3 fragments: a new message inside", all(begin(m[:5]), d.frame(m)), 1002, ""},
		{"3 fragments: together beyond the limit", all(begin(make([]byte, 4000)), last(make([]byte, 97))), 1009, ""},
		{"6 limits: twelve malformed frames", bytes.Repeat(d.frame([]byte("nonsense")), 12), 4501, ""},
		{"6 limits: flood of messages", bytes.Repeat(d.frame(d.encoded(wire.TypePing, "", wire.Ping{})), 3000), 4013, ""},
		{"6 limits: a second hello", d.frame(d.encoded(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})), 4501, ""},
		{"6 limits: two commands under one id", all(d.frame(m), d.frame(m)), alive, "m m"}, // the area of these tests remembers none
	}
	for bits := byte(1); bits < 8; bits++ {
		rows = append(rows, row{fmt.Sprintf("1 framing: reserved bits %d", bits), rawFrame(fin|bits<<4|d.opcode, m), 1002, ""})
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		rows = append(rows, row{fmt.Sprintf("1 framing: reserved opcode %d", op), rawFrame(fin|op, nil), 1002, ""})
	}
	return append(rows, closings()...)
}

// closings are the cases of a client that says goodbye. Two answers are the library's (gorilla
// v1.5.3) and looser than RFC 6455: one byte is taken for no code, where 1002 would be right, and a
// reason that is not UTF-8 is answered with 1002, where others say 1007. Its close handler cannot
// mend them: it is told 1005 for one byte as for none, and is not called about the reason.
// Either way the connection ends, and nothing of the payload is used.
func closings() []row {
	rows := []row{
		{"5 close: without a code", closing(""), 1005, ""},
		{"5 close: one byte", closing("\x03"), 1005, ""},
		{"5 close: with a reason", closing(code(1000, "再见")), 1000, ""},
		{"5 close: with a reason that is not UTF-8", closing(code(1000, "\xff")), 1002, ""},
		{"5 close: what follows is not read", all(closing(code(1000, "")), rawFrame(0xF0|opText, nil)), 1000, ""},
	}
	for _, c := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		rows = append(rows, row{fmt.Sprintf("5 close: code %d, which nobody may send", c), closing(code(c, "")), 1002, ""})
	}
	for _, c := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		rows = append(rows, row{fmt.Sprintf("5 close: code %d", c), closing(code(c, "")), c, ""})
	}
	return rows
}

func TestConformance(t *testing.T) {
	for _, d := range dialects() {
		t.Run(d.codec.Subprotocol(), func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.Linger = 100 * time.Millisecond })
			for _, c := range append(d.framing(), d.rows()...) {
				t.Run(c.name, func(t *testing.T) { conforms(rawDial(t, w, d), c) })
			}
			w.eventually("nothing is left behind", func() bool { return w.live() == 0 })
		})
	}
}

// conforms plays one case. The command that shows that the connection goes on is in the
// same write as the case, so that it cannot be answered before it.
func conforms(r *rawConn, c row) {
	r.t.Helper()
	defer r.c.Close()
	if c.want != alive {
		go r.write(c.send)
		if got := r.ends(); got != c.want {
			r.t.Errorf("closed with %d, want %d", got, c.want)
		}
		return
	}
	go r.write(all(c.send, r.d.frame(r.d.cancels(lastID))))
	if got := r.answers(); got != c.says {
		r.t.Errorf("answered with %q, want %q", got, c.says)
	}
}

// A million empty fragments cost work and no memory, and the message after them counts. How long
// a frame may take does not count here: no time passes.
func TestEmptyFragments(t *testing.T) {
	inFakeTime(t, func(w *world) {
		r := rawDial(w.t, w, inJSON)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		some := bytes.Repeat(rawFrame(opCont, nil), 10_000)
		r.write(rawFrame(opText, nil))
		for range 100 {
			r.write(some)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 {
			t.Errorf("a million empty fragments keep %d bytes", grown)
		}
		r.write(rawFrame(fin|opCont, inJSON.cancels(lastID)))
		if got := r.answers(); got != "" {
			t.Errorf("after them: %q", got)
		}
	})
}

// What is no upgrade is answered with the status that says why, and an endless header ends.
func TestConformHandshake(t *testing.T) {
	w := newWorld(t)
	const good = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + wire.Subprotocol + "\r\n"
	for name, c := range map[string]struct {
		method, header string
		want           int
	}{
		"good":                 {"GET", good, 101},
		"wrong method":         {"POST", good, 400},
		"no upgrade":           {"GET", "Host: x\r\n", 426},
		"HTTP/1.0":             {"GET", good, 400},
		"a body":               {"GET", good + "Content-Length: 5\r\n", 400},
		"a body in chunks":     {"GET", good + "Transfer-Encoding: chunked\r\n", 400},
		"two keys":             {"GET", good + "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", 400},
		"two versions":         {"GET", good + "Sec-WebSocket-Version: 8\r\n", 400},
		"in pb":                {"GET", strings.Replace(good, wire.Subprotocol, wire.SubprotocolPB, 1), 101},
		"version 8":            {"GET", strings.Replace(good, "Version: 13", "Version: 8", 1), 400},
		"no key":               {"GET", strings.Replace(good, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 1), 400},
		"a key that is none":   {"GET", strings.Replace(good, "dGhlIHNhbXBsZSBub25jZQ==", "short", 1), 400},
		"no subprotocol":       {"GET", strings.Replace(good, "Sec-WebSocket-Protocol: "+wire.Subprotocol+"\r\n", "", 1), 400},
		"another subprotocol":  {"GET", strings.Replace(good, "cuntong.v1", "cuntong.v9", 1), 400},
		"origin of a stranger": {"GET", good + "Origin: https://evil.example\r\n", 403},
		"origin null":          {"GET", good + "Origin: null\r\n", 403},
		"origin by suffix":     {"GET", good + "Origin: https://evilx\r\n", 403},
		"origin by sub-domain": {"GET", good + "Origin: https://a.x\r\n", 403},
		"origin by user":       {"GET", good + "Origin: https://x@evil.example\r\n", 403},
		"origin, another port": {"GET", good + "Origin: https://x:444\r\n", 403},
		"a header of two MB":   {"GET", good + "X: " + strings.Repeat("a", 2<<20) + "\r\n", 431},
	} {
		t.Run(name, func(t *testing.T) {
			conn := rawTCP(t, w)
			version := "HTTP/1.1"
			if name == "HTTP/1.0" {
				version = name
			}
			go func() { _, _ = io.WriteString(conn, c.method+" /ws "+version+"\r\n"+c.header+"\r\n") }()
			in := bufio.NewReader(conn)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.want {
				body, _ := io.ReadAll(resp.Body)
				t.Errorf("%d %s, want %d", resp.StatusCode, body, c.want)
			}
			if strings.HasPrefix(name, "a body") { // which does not come: nobody waits for it
				if _, err := io.Copy(io.Discard, in); err != nil {
					t.Errorf("not closed after the answer: %v", err)
				}
			}
			_ = conn.Close()
		})
	}
}

// FuzzRawFrames sends anything behind a good hello: the hub answers with a code that is
// documented or waits for more, and forgets the connection when it is gone.
func FuzzRawFrames(f *testing.F) {
	for i, d := range dialects() {
		f.Add(d.frame(d.cancels("m")), i > 0)
		f.Add(all(rawFrame(d.opcode, d.cancels("m")[:1]), rawFrame(fin|opPing, nil), closing(code(1000, "x"))), i > 0)
		f.Add([]byte{0xFF, 0xFF, 0xFF}, i > 0)
	}
	known := map[int]bool{-1: true, 1005: true}
	for _, info := range wire.CloseCodes() {
		known[int(info.Code)] = true
	}
	f.Fuzz(func(t *testing.T, sent []byte, compact bool) {
		w := newWorld(t, func(c *Config) { c.Linger = 100 * time.Millisecond })
		d := inJSON
		if compact {
			d = inPB
		}
		r := rawDial(t, w, d)
		r.write(sent)
		_ = r.c.(*net.TCPConn).CloseWrite()
		if got := r.ends(); !known[got] && (got < 1000 || got > 4999) {
			t.Errorf("% x is answered with %d", sent, got)
		}
		_ = r.c.Close()
		w.eventually("it is gone", func() bool { return w.live() == 0 })
		if n := testutilPanics(w); n != 0 {
			t.Errorf("% x: %v panics", sent, n)
		}
	})
}

func testutilPanics(w *world) float64 { return w.counted(w.hub.metrics.panics) }
