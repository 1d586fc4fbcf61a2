package ws

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"cuntong/dispatch"
	"cuntong/geo"
)

// A ticket lets a page connect that cannot set headers and does not want to put its token into a frame:
// it fetches one with its token and names it in the address. Addresses are logged on their way, so a
// ticket is good for ticketLife and for one connection, whichever server it is made to. It is
//
//	format | nonce | claims and last moment as JSON, sealed
//
// in base64url. The seal is AES-256-GCM with a key derived (HKDF, RFC 5869) from the secret that all
// servers share; it also hides who it is for, because a passenger's id may be a telephone number.
const (
	ticketFormat = 1
	ticketLife   = 30 * time.Second
	// maxTicketBytes bounds a ticket in an address; looked at before anything is decoded.
	maxTicketBytes = 2048
	// markLife is how much longer than a ticket the mark stays that it was used: more than the servers' clocks may differ by.
	markLife = time.Minute
	// markWait is how long making the mark may take.
	markWait = 2 * time.Second
)

// The pace of giving tickets: in all, so that nobody can have tokens judged as fast as he can send them, and to one party.
const (
	ticketsASecond   = 200
	ticketsAtOnce    = 400
	partyTicketEvery = 3 * time.Second
	partyTickets     = 10 // at once
	ticketBuckets    = 4096
)

// Results of tickets, as the metric has them.
const (
	ticketGiven   = "given"
	ticketLimited = "limited" // asked for too often
	ticketTaken   = "taken"
	ticketBad     = "bad" // forged, or sealed with a secret that is no longer in use
	ticketLate    = "late"
	ticketUsed    = "used" // before
	ticketNoMark  = "no_mark"
)

// ticketClaims is what a ticket says.
type ticketClaims struct {
	Until   dispatch.Instant `json:"u"`
	Role    dispatch.Role    `json:"r"`
	ID      string           `json:"i"`
	Area    geo.AreaID       `json:"a"`
	Vehicle dispatch.Vehicle `json:"v,omitzero"`
	Expires int64            `json:"e"` // Unix s
	Issued  int64            `json:"t"` // Unix s; 0: the token does not say
}

// tickets gives tickets and takes them. The zero value does neither.
type tickets struct {
	seals []cipher.AEAD // the first one seals; any of them may have sealed

	all     *rate.Limiter
	mu      sync.Mutex // guards the following fields
	seed    maphash.Seed
	buckets [ticketBuckets]*rate.Limiter // by party; a few share one, so that strangers cannot fill memory
}

// use derives a key from each secret.
func (t *tickets) use(keys Keys) error {
	t.all, t.seed = rate.NewLimiter(ticketsASecond, ticketsAtOnce), maphash.MakeSeed()
	for _, key := range keys {
		derived, err := hkdf.Key(sha256.New, key.secret, nil, "cuntong ticket", 32)
		if err != nil {
			return err
		}
		block, err := aes.NewCipher(derived)
		if err != nil {
			return err
		}
		seal, err := cipher.NewGCM(block)
		if err != nil {
			return err
		}
		t.seals = append(t.seals, seal)
	}
	return nil
}

// mayHave says whether a party may have one more ticket now.
func (t *tickets) mayHave(who dispatch.Actor, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	bucket := &t.buckets[maphash.Comparable(t.seed, who)%ticketBuckets]
	if *bucket == nil {
		*bucket = rate.NewLimiter(rate.Every(partyTicketEvery), partyTickets)
	}
	return (*bucket).AllowN(now, 1)
}

// give returns a ticket for whom the claims name.
func (t *tickets) give(c Claims, now time.Time) (string, error) {
	body := ticketClaims{Until: dispatch.InstantOf(now.Add(ticketLife)), Role: c.Actor.Role, ID: c.Actor.ID, Area: c.Area, Vehicle: c.Vehicle, Expires: c.Expires.Unix()}
	if !c.Issued.IsZero() {
		body.Issued = c.Issued.Unix()
	}
	plain, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	seal := t.seals[0]
	out := make([]byte, 1+seal.NonceSize(), 1+seal.NonceSize()+len(plain)+seal.Overhead())
	out[0] = ticketFormat
	if _, err := rand.Read(out[1:]); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(seal.Seal(out, out[1:], plain, out[:1])), nil
}

// open returns what a ticket says and the name by which its use is marked, or which result it comes to.
func (t *tickets) open(text string, now time.Time) (_ Claims, name string, result string) {
	if len(text) > maxTicketBytes {
		return Claims{}, "", ticketBad
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) == 0 || raw[0] != ticketFormat {
		return Claims{}, "", ticketBad
	}
	for _, seal := range t.seals {
		if len(raw) < 1+seal.NonceSize() {
			break
		}
		nonce := raw[1 : 1+seal.NonceSize()]
		plain, err := seal.Open(nil, nonce, raw[1+seal.NonceSize():], raw[:1])
		var body ticketClaims
		if err != nil || json.Unmarshal(plain, &body) != nil {
			continue
		}
		c := Claims{Actor: dispatch.Actor{Role: internRole(string(body.Role)), ID: body.ID}, Area: body.Area, Vehicle: body.Vehicle, Expires: time.Unix(body.Expires, 0)}
		if body.Issued != 0 {
			c.Issued = time.Unix(body.Issued, 0)
		}
		switch {
		case c.Validate() != nil:
			return Claims{}, "", ticketBad
		case dispatch.InstantOf(now) > body.Until || !now.Before(c.Expires.Add(tokenLeeway)):
			return Claims{}, "", ticketLate
		}
		return c, hex.EncodeToString(nonce), ticketTaken
	}
	return Claims{}, "", ticketBad
}

// takeTicket returns who a ticket is for, once.
func (h *Hub) takeTicket(ctx context.Context, text string) (Claims, *AuthError) {
	claims, name, result := h.tickets.open(text, h.cfg.Now())
	if result == ticketTaken {
		result = h.mark(ctx, name)
	}
	h.metrics.ticket(result)
	switch result {
	case ticketTaken:
		return claims, nil
	case ticketNoMark:
		return Claims{}, &AuthError{Reason: AuthNoMark}
	}
	return Claims{}, &AuthError{Reason: AuthTicket, err: errors.New(result)}
}

// mark notes for all servers that a ticket is used.
func (h *Hub) mark(ctx context.Context, name string) string {
	if h.cfg.Once == nil {
		return ticketBad // none are given here
	}
	ctx, cancel := context.WithTimeout(ctx, markWait)
	defer cancel()
	first, err := h.cfg.Once(ctx, "ticket-"+name, ticketLife+markLife)
	switch {
	case err != nil:
		h.cfg.Log.Warn("a ticket is turned down because its use cannot be noted", "err", err)
		return ticketNoMark
	case !first:
		return ticketUsed
	}
	return ticketTaken
}

// Tickets serves POST /ticket: whoever shows a token in the header Authorization gets a ticket. Pages of
// allowed origins may ask; see [Config.Origins].
func (h *Hub) Tickets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		spurnBody(w, r)
		if !h.mayAskTicket(w, r) {
			return
		}
		if r.Method == http.MethodOptions { // what a browser asks before, because of the header
			w.Header().Set("Access-Control-Allow-Methods", http.MethodPost)
			w.Header().Set("Access-Control-Allow-Headers", "Authorization")
			w.Header().Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.giveTicket(w, r)
	})
}

// mayAskTicket keeps pages of other sites out, and tells those of allowed ones that they may read the answer.
func (h *Hub) mayAskTicket(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Add("Vary", "Origin")
	switch {
	case h.cfg.Once == nil || len(h.tickets.seals) == 0:
		answer(w, http.StatusNotFound, "no_tickets", "This server gives no tickets. Send the token in hello.")
	case r.Method != http.MethodPost && r.Method != http.MethodOptions:
		w.Header().Set("Allow", "POST, OPTIONS")
		answer(w, http.StatusMethodNotAllowed, "method", "Ask for a ticket with POST.")
	case !h.originAllowed(r) || h.crossOrigin.Check(r) != nil:
		answer(w, http.StatusForbidden, "origin", "Pages of this origin may not connect.")
	default:
		if origin := r.Header.Get("Origin"); origin != "" {
			w.Header().Set("Access-Control-Allow-Origin", origin)
		}
		return true
	}
	return false
}

// giveTicket answers with a ticket.
func (h *Hub) giveTicket(w http.ResponseWriter, r *http.Request) {
	token, _ := bearerOf(r)
	now := h.cfg.Now()
	var failed *AuthError
	var claims Claims
	limited := !h.tickets.all.Allow()
	if !limited {
		claims, failed = h.judge(token)
		limited = failed == nil && !h.tickets.mayHave(claims.Actor, time.Now())
	}
	switch {
	case limited:
		h.metrics.ticket(ticketLimited)
		w.Header().Set("Retry-After", strconv.Itoa(int(partyTicketEvery/time.Second)))
		answer(w, http.StatusTooManyRequests, "rate", "You ask for tickets too often. Wait a few seconds.")
		return
	case failed != nil:
		h.tokenDown(w, failed)
		return
	}
	ticket, err := h.tickets.give(claims, now)
	if err != nil {
		h.cfg.Log.Error("a ticket could not be made", "err", err)
		answer(w, http.StatusInternalServerError, "internal", "The ticket could not be made.")
		return
	}
	h.metrics.ticket(ticketGiven)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintf(w, "{\"ticket\":%q,\"expires_in_s\":%d}\n", ticket, int(ticketLife/time.Second))
}
