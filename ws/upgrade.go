package ws

import (
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// ServeHTTP takes an upgrade. Whoever is not let in gets a JSON body like that of
// a refused frame; whoever is, a connection that outlives the request.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	spoken, ok := h.proper(w, r)
	if !ok {
		return
	}
	turned, comeAgain, ok := h.admit(w, r)
	if !ok {
		return
	}
	var bearer *party
	if !turned {
		if bearer, ok = h.bearer(w, r); !ok {
			h.leave(turned, false)
			return
		}
	}
	ws, err := h.upgrader.Upgrade(w, r, http.Header{"Sec-Websocket-Protocol": {codecs[spoken].Subprotocol()}})
	if err != nil {
		h.metrics.handshake("bad_upgrade")
		h.leave(turned, false)
		return
	}
	c := h.open(ws, spoken, turned)
	if turned {
		c.sendBack(comeAgain)
	}
	go c.begin(bearer)
}

// proper judges the form of an upgrade, before anything is spent on it, and answers if it is not
// let in.
func (h *Hub) proper(w http.ResponseWriter, r *http.Request) (spoken uint8, ok bool) {
	spoken, ok = codecFor(r)
	switch {
	case r.ContentLength != 0: // -1: of a length that is not said
		spurnBody(w, r)
		return 0, h.turnDown(w, "bad_upgrade", http.StatusBadRequest, "bad_upgrade", "Send an upgrade without a body.")
	case !websocket.IsWebSocketUpgrade(r):
		w.Header().Set("Upgrade", "websocket")
		return 0, h.turnDown(w, "bad_upgrade", http.StatusUpgradeRequired, "not_websocket", "Connect with a WebSocket client.")
	case !plainUpgrade(r):
		w.Header().Set("Sec-WebSocket-Version", "13")
		return 0, h.turnDown(w, "bad_upgrade", http.StatusBadRequest, "bad_upgrade", "Ask by GET of HTTP/1.1, with Sec-WebSocket-Version: 13 and one Sec-WebSocket-Key.")
	case !h.originAllowed(r):
		return 0, h.turnDown(w, "origin", http.StatusForbidden, "origin", "Pages of this origin may not connect.")
	case !ok:
		return 0, h.turnDown(w, "subprotocol", http.StatusBadRequest, "subprotocol", "Ask for the subprotocol "+wire.Subprotocol+".")
	}
	return spoken, true
}

// plainUpgrade says whether an upgrade is a GET of HTTP/1.1 and has once what may be there once only
// (RFC 6455, section 4.2.1). The library is content with HTTP/1.0, with the first of two keys and with 13 among other versions.
func plainUpgrade(r *http.Request) bool {
	versions := r.Header.Values("Sec-Websocket-Version")
	return r.Method == http.MethodGet && r.ProtoAtLeast(1, 1) && len(versions) == 1 && versions[0] == "13" && len(r.Header.Values("Sec-Websocket-Key")) == 1
}

// bodyWait is how long the HTTP server reads on for a body that nobody wants.
const bodyWait = time.Second

// spurnBody has a request answered without waiting for its body, and the connection closed soon after.
// The HTTP server otherwise reads the body before it answers, for as long as the client likes to take.
func spurnBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWait)) // where that cannot be set there is no socket
}

// turnDown counts and answers an upgrade that will not be let in as it is. It returns false.
func (h *Hub) turnDown(w http.ResponseWriter, result string, status int, code, say string) bool {
	h.metrics.handshake(result)
	answer(w, status, code, say)
	return false
}

// bearer returns who the upgrade's token or ticket names, nil when the token is to come in the
// hello, or answers that it is no good.
func (h *Hub) bearer(w http.ResponseWriter, r *http.Request) (bearer *party, ok bool) {
	bearer, failed := h.namedBy(r)
	if failed != nil {
		h.metrics.handshake("token")
		h.tokenDown(w, failed)
		return nil, false
	}
	return bearer, true
}

// namedBy returns who an upgrade's token is for, or its ticket; nil when it has neither.
func (h *Hub) namedBy(r *http.Request) (*party, *AuthError) {
	if token, given := bearerOf(r); given {
		return h.authenticate(token)
	}
	ticket := r.URL.Query().Get("ticket")
	if ticket == "" {
		return nil, nil
	}
	claims, failed := h.takeTicket(r.Context(), ticket)
	if failed != nil {
		return nil, failed
	}
	return h.partyOf(claims)
}

// tokenDown answers a request whose token or ticket is no good.
func (h *Hub) tokenDown(w http.ResponseWriter, failed *AuthError) {
	h.metrics.authFailed(failed.Reason)
	h.log(slog.LevelInfo, "token turned down", func() []any { return []any{"reason", failed.Reason} })
	switch failed.status() {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="cuntong"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(int(fetchPause/time.Second)))
	}
	answer(w, failed.status(), failed.word(), failed.Error())
}

// open makes a connection of a socket. Its reader is started by the handler, which then returns,
// so that the server's buffers for the request are free.
func (h *Hub) open(ws *websocket.Conn, spoken uint8, turned bool) *conn {
	socket := ws.NetConn()
	if secure, ok := socket.(*tls.Conn); ok {
		socket = secure.NetConn()
	}
	if tcp, ok := socket.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // without it the connection only costs more
	}
	ws.SetReadLimit(wire.MaxFrameBytes)
	now := h.moment()
	c := &conn{hub: h, ws: ws, spoken: spoken, turned: turned, number: h.sessions.Add(1)}
	c.pulse.pinged, c.pulse.chance = now.up, firstChance()
	c.heard.Store(now.up)
	ws.SetPingHandler(c.onPing)
	ws.SetPongHandler(c.onPong)
	ws.SetCloseHandler(c.onClose)
	h.roster.add(c)
	switch {
	case turned:
	case h.isStopping(): // since it was let in; whoever stops the hub may have missed it in the roster
		c.finish(wire.CloseGoingAway, true)
	default:
		h.metrics.handshake("ok")
	}
	if h.isCut() {
		_ = ws.Close() // the reader finds out
	}
	return c
}

// originAllowed keeps pages of other sites out. The browser sends the origin; a
// client that is no browser sends none, and is judged by its token alone.
func (h *Hub) originAllowed(r *http.Request) bool {
	switch origins := r.Header.Values("Origin"); len(origins) {
	case 0:
		return true
	case 1: // no browser sends more
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	for _, allowed := range h.cfg.Origins {
		if strings.EqualFold(origin, allowed) {
			return true
		}
	}
	_, host, ok := strings.Cut(origin, "://")
	return ok && strings.EqualFold(host, r.Host)
}

// codecFor is the place in codecs of the first in the client's order that there is.
// The library would choose by ours (up to v1.5.3), and a client lists first what it
// likes best.
func codecFor(r *http.Request) (uint8, bool) {
	for _, offered := range websocket.Subprotocols(r) {
		for i, codec := range codecs {
			if codec.Subprotocol() == offered {
				return uint8(i), true
			}
		}
	}
	return 0, false
}

// messageKind is what the library calls the messages of a connection with this codec.
func messageKind(codec wire.Codec) int {
	if codec.Binary() {
		return websocket.BinaryMessage
	}
	return websocket.TextMessage
}

// answer refuses a request.
func answer(w http.ResponseWriter, status int, code, say string) {
	kind := dispatch.Invalid
	switch status {
	case http.StatusServiceUnavailable:
		kind = dispatch.Unavailable
	case http.StatusTooManyRequests:
		kind = dispatch.Limited
	case http.StatusUnauthorized, http.StatusForbidden:
		kind = dispatch.Forbidden
	}
	body, err := json.Marshal(wire.Refused{Kind: string(kind), Code: code, Say: say})
	if err != nil {
		http.Error(w, say, status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone need not be told
}
