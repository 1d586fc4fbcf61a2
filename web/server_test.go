package web_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/web"
	"cuntong/ws/wire"
)

// fakeServer speaks the wire to pages and lets a test say what it sends. It reads
// what pages send as strictly as the real one does.
type fakeServer struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	hellos  []wire.Hello    // guarded by mu
	board   wire.Board      // sent to whoever watches; guarded by mu
	conn    *websocket.Conn // the newest; guarded by mu, and written to only under it
	watched chan struct{}   // one for every watch; never closed
	roads   []wire.Road     // changes asked for; guarded by mu
	looks   []wire.Look     // asked for; guarded by mu
	refusal *wire.Refused   // the answer to every command; nil: done; guarded by mu
	accept  map[string]bool // tokens; nil takes all; static after construction
}

func newFakeServer(t *testing.T, cfg web.Config, accept ...string) *fakeServer {
	t.Helper()
	s := &fakeServer{t: t, watched: make(chan struct{}, 100)}
	for _, token := range accept {
		if s.accept == nil {
			s.accept = map[string]bool{}
		}
		s.accept[token] = true
	}
	mux := http.NewServeMux()
	mux.Handle("/", web.Handler(cfg))
	mux.HandleFunc("/ws", s.serve)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() { s.drop(wire.CloseGoingAway) })
	s.url = server.URL
	return s
}

func (s *fakeServer) serve(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		s.t.Errorf("upgrade: %v", err)
		return
	}
	defer conn.Close()
	if conn.Subprotocol() != wire.Subprotocol {
		s.t.Errorf("subprotocol %q, want %q", conn.Subprotocol(), wire.Subprotocol)
	}
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		frame, err := wire.DecodeClient(data)
		if err != nil || kind != websocket.TextMessage {
			s.t.Errorf("the page sent %s: %v", data, err)
			return
		}
		if !s.answer(conn, frame) {
			return
		}
	}
}

func (s *fakeServer) answer(conn *websocket.Conn, frame wire.ClientFrame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch b := frame.Body.(type) {
	case wire.Hello:
		s.hellos = append(s.hellos, b)
		if s.accept != nil && !s.accept[b.Token] {
			closeWith(conn, wire.CloseBadToken)
			return false
		}
		s.conn = conn
		s.write(wire.TypeWelcome, wire.Welcome{Session: "s-1", Role: wire.RoleOperator, ID: "o1", Area: "liping", ServerTime: time.Now().UnixMilli(), HeartbeatS: 25, MaxFrameBytes: wire.MaxFrameBytes, Protocol: wire.Protocol})
		s.write(wire.TypeTruth, wire.Truth{At: time.Now().UnixMilli(), Trips: []wire.Trip{}})
	case wire.Watch:
		s.write(wire.TypeBoard, s.board)
		s.watched <- struct{}{}
	case wire.Road:
		s.roads = append(s.roads, b)
		s.command(frame.ID, func() {
			state := wire.RoadState{Change: b, Extent: wire.Extent{Segments: 2, LengthM: 1310, Names: []string{"X106"}}, InForce: true}
			s.board.Roads = append(s.board.Roads, state)
			s.write(wire.TypeRoad, state)
		})
	case wire.LiftRoad:
		s.command(frame.ID, func() {
			s.board.Roads = slices.DeleteFunc(s.board.Roads, func(r wire.RoadState) bool { return r.Change.Road == b.Road })
		})
	case wire.Look:
		s.looks = append(s.looks, b)
		s.command(frame.ID, func() {
			for _, d := range s.board.Drivers {
				if d.ID == b.Driver {
					s.write(wire.TypeLook, wire.LookTold{Driver: &d})
				}
			}
			for _, t := range slices.Concat(s.board.Waiting, s.board.Driving, s.board.Ended) {
				if t.Trip == b.Trip {
					s.write(wire.TypeLook, wire.LookTold{Trip: &t})
				}
			}
		})
	case wire.Bar:
		s.command(frame.ID, func() {
			s.board.Bars = append([]wire.Barred{{Role: b.Role, ID: b.ID, Until: b.Until, At: time.Now().UnixMilli(), Reason: b.Reason}}, s.board.Bars...)
		})
	case wire.LiftBar:
		s.command(frame.ID, func() {
			s.board.Bars = slices.DeleteFunc(s.board.Bars, func(bar wire.Barred) bool { return bar.Role == b.Role && bar.ID == b.ID })
		})
	case wire.Ping:
		s.write(wire.TypePong, wire.Pong{})
	}
	return true
}

// command does what a command asks for, answers it and shows the board, unless the
// test refuses it. It needs s.mu.
func (s *fakeServer) command(id string, do func()) {
	if s.refusal != nil {
		s.writeAnswer(wire.TypeRefused, id, *s.refusal)
		return
	}
	do()
	s.writeAnswer(wire.TypeDone, id, wire.Done{})
	s.board.At++
	s.write(wire.TypeBoard, s.board)
}

// refuse makes the answer to every command this one; nil: done.
func (s *fakeServer) refuse(with *wire.Refused) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = with
}

// looked returns the close looks that were asked for.
func (s *fakeServer) looked() []wire.Look {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.looks)
}

// barred returns who is kept out.
func (s *fakeServer) barred() []wire.Barred {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.board.Bars)
}

// changes returns the changes to the roads that were asked for.
func (s *fakeServer) changes() []wire.Road {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.roads)
}

// write needs s.mu.
func (s *fakeServer) write(t wire.Type, body any) { s.writeAnswer(t, "", body) }

// writeAnswer needs s.mu.
func (s *fakeServer) writeAnswer(t wire.Type, re string, body any) {
	frame, err := wire.EncodeServer(t, re, body)
	if err != nil {
		s.t.Errorf("encode %s: %v", t, err)
		return
	}
	s.raw(frame)
}

// raw needs s.mu. An error is a page that has gone, which reading finds out.
func (s *fakeServer) raw(frame []byte) {
	if s.conn != nil {
		_ = s.conn.WriteMessage(websocket.TextMessage, frame)
	}
}

// show sends a board to the page, and to every later watcher.
func (s *fakeServer) show(b wire.Board) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.board = b
	s.write(wire.TypeBoard, b)
}

// say sends a frame as it stands.
func (s *fakeServer) say(frame string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw([]byte(frame))
}

// drop closes the newest connection.
func (s *fakeServer) drop(code wire.CloseCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		closeWith(s.conn, code)
		s.conn.Close()
		s.conn = nil
	}
}

func closeWith(conn *websocket.Conn, code wire.CloseCode) {
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(code), code.Reason()), time.Now().Add(time.Second))
}

// tokens returns the tokens that hellos have brought so far.
func (s *fakeServer) tokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, h := range s.hellos {
		out = append(out, h.Token)
	}
	return out
}
