package dispatch

import "time"

// An offer's clock does not run while the phone has not got it: it is made with a time
// for the phone's word that it has come, and only then the driver's time to answer
// begins. Both are stretched by the measured round trip of his link, because on a
// slow one the offer, the word and the answer are all under way for longer. An
// offer of which no word comes costs its driver nothing, and the next one is asked.

// Bounds of an offer's times.
const (
	maxOfferWait   = 5 * time.Minute
	maxConfirmWait = 15 * time.Second // on a quick link
	// slowestLink is the longest round trip that is waited for: ten seconds each way, and
	// five for what varies. A traveller waits as long for nothing when the link is dead.
	slowestLink = 25 * time.Second
	// maxSpread bounds what is added to a round trip because it varies.
	maxSpread = 5 * time.Second
	// maxStretch bounds what a slow link adds to the time to answer. That begins with a word
	// that has come the same way, so only what varies is to be made up for.
	maxStretch = 10 * time.Second
	// unseenRest is how long a driver whom an offer did not reach is left out of that trip,
	// unless he says hello before.
	unseenRest = 30 * time.Second
	// heardSlack is how much later than he was last heard of a position may seem to have come
	// by which he was heard of: a hub takes the one from a clock that only counts, and the shared clock
	// is drawn to that of the store meanwhile.
	heardSlack = 500 * time.Millisecond
)

// OfferSeen says that a driver's phone has an offer. It changes nothing when the offer
// is over or was confirmed before. It comes from the hub.
type OfferSeen struct {
	Driver DriverID
	Trip   TripID
	Offer  OfferID
	// RTT is the round trip to the phone; 0: not known.
	RTT time.Duration
}

// LinkLost says that a driver on duty has no connection any more, or one that has been
// dead silent: until he is heard of again he is not matched. It comes from the hub.
type LinkLost struct {
	Driver DriverID
	// HeardAt is when he was last heard of there. If he was heard of later elsewhere this
	// says nothing.
	HeardAt Instant
}

// link is what is known of the link to one driver on duty. It is soft: after a restart
// everybody counts as reachable again.
type link struct {
	lost    Instant // when he was last heard of, once the link is lost; 0: it is not
	back    Instant // when he last said hello
	unheard bool    // an offer has not reached him since
}

// linkOf returns what is known of the link to a driver on duty, to be changed.
func (c *Core) linkOf(id DriverID) *link {
	l := c.links[id]
	if l == nil {
		l = &link{}
		c.links[id] = l
	}
	return l
}

// reachable says whether a driver is heard of, and his link is not known to be lost.
func (c *Core) reachable(id DriverID) bool {
	l := c.links[id]
	return c.fixes[id] != nil && (l == nil || l.lost == 0)
}

// backSince says whether a driver has said hello after a moment.
func (c *Core) backSince(id DriverID, at Instant) bool {
	l := c.links[id]
	return l != nil && l.back > at
}

// confirmWait is how long the word that an offer has come may take on a link: the time on
// a quick one, the round trip, and as much again for what varies, 5 s at most.
func (r *Rules) confirmWait(roundTrip time.Duration) time.Duration {
	known := max(0, min(roundTrip, slowestLink))
	return r.ConfirmWait + known + min(known, maxSpread)
}

// answerWait is how long the answer to an offer that has come may take on a link.
func (r *Rules) answerWait(roundTrip time.Duration) time.Duration {
	return r.OfferWait + min(2*max(0, min(roundTrip, maxStretch)), maxStretch)
}

// waitFor is how long a driver has to answer who is told of an offer now. The time of
// one that is not confirmed begins when he is told.
func (c *Core) waitFor(now Instant, o *Offer) time.Duration {
	if o.Confirm != 0 {
		return c.rules.OfferWait
	}
	return max(0, o.Until.Sub(now))
}

// offerSeen begins the time to answer.
func (r *run) offerSeen(in OfferSeen) {
	t := r.core.trips[in.Trip]
	if t == nil || t.Offer == nil || t.Offer.ID != in.Offer || t.Offer.Driver != in.Driver || t.Offer.Confirm == 0 {
		return
	}
	r.core.heardFrom(in.Driver)
	r.record(OfferDelivered{Trip: t.ID, Offer: in.Offer, Until: r.now.Add(r.core.rules.answerWait(in.RTT)),
		RoundTrip: max(0, in.RTT).Milliseconds()}, nil)
}

func (c *Core) foldOfferDelivered(b OfferDelivered) {
	t := c.trips[b.Trip]
	t.Offer.Until, t.Offer.Confirm, t.Deadline = b.Until, 0, b.Until
	c.deadlines.set(t.ID, b.Until)
}

// unseen gives up an offer of which no word has come.
func (r *run) unseen(t *Trip) {
	r.core.linkOf(t.Offer.Driver).unheard = true
	r.record(OfferClosed{Trip: t.ID, End: OfferUnseen, Rest: r.now.Add(unseenRest)}, nil)
}

// linkLost takes a driver out of matching until he is heard of again. An offer that he
// has not confirmed goes to the next one at once; one that he has keeps its time.
func (r *run) linkLost(in LinkLost) {
	c := r.core
	d := c.drivers[in.Driver]
	if d == nil || c.backSince(in.Driver, in.HeardAt) {
		return
	}
	if f := c.fixes[in.Driver]; f != nil && f.Fix.Received > in.HeardAt.Add(heardSlack) {
		return
	}
	c.linkOf(in.Driver).lost = max(in.HeardAt, 1)
	c.settle(in.Driver)
	if t := c.trips[d.Offer]; t != nil && t.Offer.Confirm != 0 {
		r.unseen(t)
	}
}

// heardFrom notes that a driver has spoken: his link is not lost.
func (c *Core) heardFrom(id DriverID) {
	if l := c.links[id]; l != nil && l.lost != 0 {
		l.lost = 0
		c.settle(id)
	}
}

// foundAt notes a position of a driver, which may have been received before his link
// was lost.
func (c *Core) foundAt(fix *Fix) {
	if l := c.links[fix.Driver]; l != nil && fix.Received > l.lost.Add(heardSlack) {
		l.lost = 0
	}
}

// saidHello notes that a driver is back: he may be asked again for what did not reach him.
func (r *run) saidHello(id DriverID) {
	c := r.core
	if c.drivers[id] == nil {
		return
	}
	c.heardFrom(id)
	l := c.linkOf(id)
	l.back = r.now
	if l.unheard {
		l.unheard = false
		if c.available(id) {
			c.freed = append(c.freed, id)
		}
	}
}
