package ws

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// Hub is who is connected. It serves the upgrade as an [http.Handler] and passes
// notices on as a [dispatch.Teller], one for each area. All methods may be called
// from any goroutine; end with [Hub.Drain] or [Hub.Close].
type Hub struct {
	// Static after construction.
	cfg       Config
	metrics   *metrics
	upgrader  websocket.Upgrader
	boot      string    // begins every session's name
	started   time.Time // uptime counts from here
	directory *directory
	sweeper   *sweeper
	refreshes refreshes
	doubts    doubts
	sealer    sealer
	lookers   lookers
	tickets   tickets
	// crossOrigin keeps pages of other sites from asking for tickets, as browsers name them.
	crossOrigin http.CrossOriginProtection
	endSweeps   func() // stops the sweeper, once, and waits for it

	roster    roster
	scratch   sync.Pool // of *scratch
	sessions  atomic.Uint64
	connected [4]atomic.Int64 // in the order of roles
	running   sync.WaitGroup  // readers

	mu        sync.Mutex // guards the following fields
	count     int        // connections within the limit
	turned    int        // connections beyond it, which are only told so
	greeting  int        // of count, those without a hello
	admission admission
	closed    bool // nobody is let in yet
	stopping  bool
	cut       bool          // stopping, and nobody is waited for any more
	retry     time.Duration // for those who come while stopping
}

// moment is one reading of the clocks: wall, by the clock that all servers share, for
// what is told and recorded; up, in milliseconds since the hub began, by this
// machine's own, for waiting, because setting a clock does not move it. up begins at
// 1, so that 0 can mean "never".
type moment struct {
	wall dispatch.Instant
	up   int64
}

// Sizes of the library's buffers. Almost every frame of a client is below 512 B,
// and larger ones cost a second read and nothing else; the read buffer is the
// largest single thing that an idle connection keeps on the heap. The write
// buffer is shared and only there while writing.
const (
	readBuffer  = 512
	writeBuffer = 1024
	// sendBuffer bounds what the kernel keeps for a client that does not read. Left
	// alone it grows to megabytes, all of it positions that are old when they arrive.
	sendBuffer = 32 << 10
	// maxTurned bounds the connections that are opened only to say "server full".
	maxTurned = 64
)

// NewHub checks the configuration and returns a hub at work.
func NewHub(cfg Config) (*Hub, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("ws: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if keys, ok := cfg.Auth.(Keys); ok && cfg.Receipts == nil {
		cfg.Receipts = keys
	}
	h := &Hub{
		cfg:       cfg,
		metrics:   newMetrics(cfg.Registerer),
		boot:      strconv.FormatUint(rand.Uint64N(1<<40), 36),
		started:   time.Now(),
		directory: newDirectory(),
		refreshes: newRefreshes(),
		doubts:    newDoubts(),
		closed:    cfg.Closed,
	}
	h.sealer.use(cfg.Receipts)
	if err := h.tickets.use(cfg.Receipts); err != nil {
		return nil, fmt.Errorf("ws: tickets: %w", err)
	}
	for _, origin := range cfg.Origins {
		if err := h.crossOrigin.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("ws: %w", err)
		}
	}
	h.upgrader = websocket.Upgrader{
		HandshakeTimeout: cfg.WriteWait,
		ReadBufferSize:   readBuffer,
		WriteBufferSize:  writeBuffer,
		WriteBufferPool:  &sync.Pool{},
		CheckOrigin:      func(*http.Request) bool { return true }, // refuse has looked already
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			answer(w, status, "bad_upgrade", reason.Error())
		},
	}
	h.sweeper = newSweeper(h)
	h.endSweeps = sync.OnceFunc(h.sweeper.end)
	go h.sweeper.run()
	return h, nil
}

func (h *Hub) moment() moment {
	return moment{wall: dispatch.InstantOf(h.cfg.Now()), up: time.Since(h.started).Milliseconds() + 1}
}

// log writes a line whose attributes are only made when somebody reads them.
func (h *Hub) log(level slog.Level, message string, attrs func() []any) {
	if h.cfg.Log.Enabled(context.Background(), level) {
		h.cfg.Log.Log(context.Background(), level, message, attrs()...)
	}
}

// Teller returns what passes the notices of one area on to its parties.
func (h *Hub) Teller(area geo.AreaID) dispatch.Teller { return teller{h, area} }

type teller struct {
	hub  *Hub
	area geo.AreaID
}

// Tell implements [dispatch.Teller]. It only puts notices into lanes.
func (t teller) Tell(notices []dispatch.Notice) {
	var room [16]*conn
	for _, n := range notices {
		if to, ok := n.Body.(dispatch.DriverElsewhere); ok {
			t.hub.move(t.area, to)
			continue
		}
		if out, ok := n.Body.(dispatch.ShutOut); ok {
			t.hub.shut(t.area, n.To, out)
			continue
		}
		if _, byGateway := n.Body.(dispatch.Wanted); byGateway || n.To.ByPhone() {
			continue
		}
		here := false
		for _, c := range t.hub.directory.find(n.To, room[:0]) {
			p := c.party.Load()
			if p.areaID == t.area || p.former == t.area && isAnswer(n.Body) {
				c.tell(t.area, n.Body)
				here = true
			}
		}
		if !here {
			t.hub.metrics.drop(dropNobody)
		}
	}
}

// shut closes connections of a party that the area has shut out.
func (h *Hub) shut(area geo.AreaID, who dispatch.Actor, out dispatch.ShutOut) {
	code, flush := wire.CloseBarred, false
	switch out.Why {
	case dispatch.ShutSignedOut:
		code, flush = wire.CloseSignedOut, true // behind the answer to who signed out
	case dispatch.ShutReplaced:
		if strings.HasPrefix(out.Except, h.boot+"-") {
			return // which of those here is the newer the directory knows
		}
		code = wire.CloseReplaced
	}
	var room [16]*conn
	for _, c := range h.directory.find(who, room[:0]) {
		p := c.party.Load()
		switch {
		case p.areaID != area && p.former != area:
		case !c.outlasts(out):
			c.finish(code, flush)
		case out.Why == dispatch.ShutReplaced:
			// An older one at another server was heard after this one, and has missed the word
			// that closes it. This one's hello has that told again.
			c.lanes.renew()
		}
	}
}

// outlasts says whether a connection stays when others of its party are shut out.
func (c *conn) outlasts(out dispatch.ShutOut) bool {
	name := c.session()
	switch {
	case out.Only != "" && out.Only != name, out.Except == name:
		return true
	case out.Why == dispatch.ShutReplaced && c.began == out.Before:
		return name > out.Except // alike at both servers, so that one of the two goes
	}
	return out.Before != 0 && c.began >= out.Before
}

// isStopping says that nobody is let in any more.
func (h *Hub) isStopping() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stopping
}

// isCut says that the hub waits for nobody any more.
func (h *Hub) isCut() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cut
}
