package ws

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"slices"
	"sync"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// A receipt says how a trip stood when a party was told of it, so that the party's
// phone can show what the record may have lost. It is
//
//	1 | area | trip | version | state | driver | moment | seal
//
// in base64url: strings with their length before them, numbers as varints, the state as
// its place among [dispatch.States], the moment in Unix ms. The seal is the first 16
// bytes of an HMAC-SHA-256 over all of it and the party to whom it was given, so that
// nobody else can give it back.

const (
	receiptFormat = 1
	sealBytes     = 16
	// keptReceipts is how many receipts a connection keeps, of the trips told of last.
	keptReceipts = dispatch.MaxReceipts
	// keepAfterEnd is how long, in ms, the receipt of a trip that has ended is kept.
	keepAfterEnd = int64(time.Hour / time.Millisecond)
)

// Results of receipts, as the metric has them.
const (
	receiptGiven      = "given"
	receiptTaken      = "taken"
	receiptElsewhere  = "elsewhere"  // of another area than the party's: kept, in case he is lent to it again
	receiptSeal       = "seal"       // forged, somebody else's, or sealed with a secret that is no longer in use
	receiptUnreadable = "unreadable" // not a receipt at all
)

var errReceipt = errors.New("not a receipt")

// areaReceipt is a receipt and where its trip is.
type areaReceipt struct {
	area geo.AreaID
	dispatch.Receipt
}

// sealer seals receipts, and judges those given back. The zero sealer does neither.
type sealer struct {
	keys [][]byte  // the first one seals; any of them may have sealed
	pool sync.Pool // of hash.Hash with the first key
}

// use derives a key from each secret, so that no token can pass for a receipt.
func (s *sealer) use(keys Keys) {
	for _, key := range keys {
		mac := hmac.New(sha256.New, key.secret)
		mac.Write([]byte("cuntong receipt"))
		s.keys = append(s.keys, mac.Sum(nil))
	}
	s.pool.New = func() any { return hmac.New(sha256.New, s.keys[0]) }
}

// give returns the receipt that a party may give back.
func (s *sealer) give(to dispatch.Actor, r areaReceipt) string {
	mac := s.pool.Get().(hash.Hash)
	defer s.pool.Put(mac)
	plain := appendReceipt(make([]byte, 0, 128), r)
	return base64.RawURLEncoding.EncodeToString(seal(mac, plain, to))
}

// take returns what a receipt says that a party gives back, or why not.
func (s *sealer) take(by dispatch.Actor, text string) (areaReceipt, string) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) <= sealBytes {
		return areaReceipt{}, receiptUnreadable
	}
	plain := raw[:len(raw)-sealBytes]
	r, err := readReceipt(plain)
	if err != nil {
		return areaReceipt{}, receiptUnreadable
	}
	for _, key := range s.keys {
		if hmac.Equal(seal(hmac.New(sha256.New, key), plain, by), raw) {
			return r, receiptTaken
		}
	}
	return areaReceipt{}, receiptSeal
}

// seal returns plain with its seal behind it.
func seal(mac hash.Hash, plain []byte, party dispatch.Actor) []byte {
	mac.Reset()
	mac.Write(plain)
	mac.Write([]byte(party.Role))
	mac.Write([]byte{0})
	mac.Write([]byte(party.ID))
	var sum [sha256.Size]byte
	return slices.Concat(plain, mac.Sum(sum[:0])[:sealBytes])
}

func appendReceipt(b []byte, r areaReceipt) []byte {
	b = append(b, receiptFormat)
	b = appendShort(b, string(r.area))
	b = appendShort(b, string(r.Trip))
	b = binary.AppendUvarint(b, uint64(r.Version))
	b = append(b, byte(slices.Index(receiptStates, r.State)))
	b = appendShort(b, string(r.Driver))
	return binary.AppendUvarint(b, uint64(r.At))
}

// receiptStates must only ever grow at its end.
var receiptStates = dispatch.States()

// appendShort writes a string of at most 255 bytes, which all our ids are.
func appendShort(b []byte, s string) []byte {
	return append(append(b, byte(len(s))), s...)
}

// readReceipt reads what appendReceipt writes, and nothing else.
func readReceipt(b []byte) (areaReceipt, error) {
	in := receiptReader{left: b}
	format := in.byte()
	r := areaReceipt{area: geo.AreaID(in.short())}
	r.Trip = dispatch.TripID(in.short())
	r.Version = dispatch.Version(in.number())
	state := int(in.byte())
	r.Driver = dispatch.DriverID(in.short())
	r.At = dispatch.Instant(in.number())
	if in.bad || len(in.left) > 0 || format != receiptFormat || state >= len(receiptStates) {
		return areaReceipt{}, errReceipt
	}
	r.State = receiptStates[state]
	if _, err := geo.ParseAreaID(string(r.area)); err != nil {
		return areaReceipt{}, err
	}
	if err := dispatch.CheckID(string(r.Trip)); err != nil {
		return areaReceipt{}, err
	}
	if r.Driver != "" {
		if err := dispatch.CheckID(string(r.Driver)); err != nil {
			return areaReceipt{}, err
		}
	}
	return r, nil
}

// receiptReader takes a receipt apart. After it is bad everything it returns is zero.
type receiptReader struct {
	left []byte
	bad  bool
}

func (r *receiptReader) bytes(n int) []byte {
	if r.bad || n > len(r.left) {
		r.bad = true
		return nil
	}
	taken := r.left[:n]
	r.left = r.left[n:]
	return taken
}

func (r *receiptReader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *receiptReader) short() string { return string(r.bytes(int(r.byte()))) }

// number reads a varint that is a positive int64, written as short as it can be.
func (r *receiptReader) number() int64 {
	n, length := binary.Uvarint(r.left)
	if length <= 0 || length > 1 && r.left[length-1] == 0 || int64(n) < 0 {
		r.bad = true
		return 0
	}
	r.bytes(length)
	return int64(n)
}

// kept is what one connection remembers of its trips: the receipts that its phone gave
// back or was given since, which go with every hello that is said for it; and, for a phone
// that wants to come back cheaply, what it holds (resume.go). Without trips it holds no
// memory.
type kept struct {
	mu      sync.Mutex // guards the following fields
	list    []keptTrip // the one told of last is the last
	resumes bool       // the phone knows of truths that name what it holds
	lean    bool       // and of trips without their order
}

// keptTrip is one trip of a connection. Without a receipt the version in it is 0.
type keptTrip struct {
	areaReceipt
	held held
}

// most is how many trips are kept. The lock is held.
func (k *kept) most() int {
	if k.resumes {
		return keptTrips
	}
	return keptReceipts
}

// find returns the trip, or nil. What only the phone has spoken of has no area: it is
// taken for this one. The lock is held.
func (k *kept) find(area geo.AreaID, trip dispatch.TripID) *keptTrip {
	i := slices.IndexFunc(k.list, func(have keptTrip) bool { return have.Trip == trip && (have.area == area || have.area == "") })
	if i < 0 {
		return nil
	}
	return &k.list[i]
}

// renew puts a trip last, and returns it. When there are too many, one that has ended goes,
// or the oldest. The lock is held.
func (k *kept) renew(area geo.AreaID, trip dispatch.TripID) *keptTrip {
	t := keptTrip{areaReceipt: areaReceipt{Receipt: dispatch.Receipt{Trip: trip}}}
	if have := k.find(area, trip); have != nil {
		t = *have
		k.list = slices.DeleteFunc(k.list, func(other keptTrip) bool { return other.Trip == t.Trip && other.area == t.area })
	} else if len(k.list) >= k.most() {
		k.list = slices.Delete(k.list, least(k.list), least(k.list)+1)
	}
	t.area = area
	k.list = append(k.list, t)
	return &k.list[len(k.list)-1]
}

// keep takes a receipt, in the place of an older one about the same trip.
func (k *kept) keep(r areaReceipt) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if have := k.find(r.area, r.Trip); have != nil && have.Version > r.Version {
		return
	}
	k.renew(r.area, r.Trip).areaReceipt = r
}

// proves says whether there is a receipt of a trip of that area.
func (k *kept) proves(area geo.AreaID, trip dispatch.TripID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.list, func(r keptTrip) bool { return r.area == area && r.Trip == trip && r.Version != 0 })
}

// drop forgets a trip.
func (k *kept) drop(area geo.AreaID, trip dispatch.TripID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = slices.DeleteFunc(k.list, func(r keptTrip) bool { return r.area == area && r.Trip == trip })
}

// least is the trip that is missed least: one that has ended, or the oldest.
func least(list []keptTrip) int {
	return max(0, slices.IndexFunc(list, func(r keptTrip) bool { return r.Version != 0 && !r.State.Open() }))
}

// of returns the receipts of an area's trips, but for those that ended long ago, and as many
// as go into a hello.
func (k *kept) of(area geo.AreaID, now dispatch.Instant) []dispatch.Receipt {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = slices.DeleteFunc(k.list, func(r keptTrip) bool {
		return r.Version != 0 && !r.State.Open() && int64(now-r.At) > keepAfterEnd
	})
	var of []keptTrip
	for _, r := range k.list {
		if r.area == area && r.Version != 0 {
			of = append(of, r)
		}
	}
	for len(of) > keptReceipts {
		of = slices.Delete(of, least(of), least(of)+1)
	}
	var receipts []dispatch.Receipt
	for _, r := range of {
		receipts = append(receipts, r.Receipt)
	}
	return receipts
}

// takeReceipts keeps what a phone gives back.
func (c *conn) takeReceipts(p *party, given []string) {
	h := c.hub
	for _, text := range given {
		r, result := h.sealer.take(p.actor, text)
		if result == receiptTaken {
			c.kept.keep(r)
			if r.area != p.areaID {
				result = receiptElsewhere
			}
		}
		h.metrics.receipt(result)
	}
}

// hello is what is said for a connection to its area.
func (c *conn) hello(p *party) dispatch.Hello {
	return dispatch.Hello{By: p.actor, Receipts: c.kept.of(p.areaID, c.hub.moment().wall), Issued: p.issued, Session: c.session(), Began: c.began}
}

// stamp gives receipts with the trips of a frame, leaves out what the client holds, and
// forgets lost trips. It is called by the writer.
func (c *conn) stamp(f *wire.ServerFrame, next told, now dispatch.Instant) {
	switch b := next.body.(type) {
	case dispatch.TripTold:
		trip := f.Body.(wire.Trip)
		receipt, given := c.receipt(next.area, &b.Trip, now)
		trip.Receipt = c.sealed(c.party.Load().actor, receipt, given)
		c.hub.metrics.tripTold(c.kept.lighten(next.area, &trip))
		f.Body = trip
	case dispatch.Truth:
		truth := f.Body.(wire.Truth)
		c.resume(next.area, &truth, b.Trips, now)
		f.Body = truth
	case dispatch.Refused:
		if b.ID == "" && b.Refusal.Code == "trip_unknown" {
			c.kept.drop(next.area, b.Trip) // it is lost, and its receipt of no more use
		}
	}
}

// receipt makes and keeps the receipt for a trip; false for one who only looks on.
func (c *conn) receipt(area geo.AreaID, v *dispatch.TripView, now dispatch.Instant) (areaReceipt, bool) {
	if len(c.hub.sealer.keys) == 0 || !takesPart(c.party.Load().actor, v) {
		return areaReceipt{}, false
	}
	r := areaReceipt{area, dispatch.Receipt{Trip: v.ID, Version: v.Version, State: v.State, Driver: v.Driver, At: now}}
	c.kept.keep(r)
	return r, true
}

// sealed is a receipt as it is given, or "" when there is none.
func (c *conn) sealed(who dispatch.Actor, r areaReceipt, given bool) string {
	if !given {
		return ""
	}
	c.hub.metrics.receipt(receiptGiven)
	return c.hub.sealer.give(who, r)
}

// takesPart says whether a trip is a party's own: it booked it, travels, or drives.
func takesPart(who dispatch.Actor, v *dispatch.TripView) bool {
	switch who.Role {
	case dispatch.RoleDriver:
		return v.Driver == who.Driver()
	case dispatch.RolePassenger:
		return who == v.Order.Booker || who.ID == v.Order.Traveller.ID
	}
	return who == v.Order.Booker
}
