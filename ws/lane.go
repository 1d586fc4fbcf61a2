package ws

import (
	"slices"
	"sync"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// lanes is what waits to be written to one connection. Everything in it is kept as
// it came; the writer turns it into frames, so that the engine never spends time
// on encoding. Empty lanes hold no memory.
type lanes struct {
	mu sync.Mutex // guards the following fields

	must  []told // must-arrive: in order, none left out
	bytes int    // weight of must
	loose []told // newest-wins: at most one of each kind and trip

	asked []asked // commands and questions whose answer this connection waits for
	pong  []byte  // the payload of the client's last ping, to be sent back

	pongDue  bool
	pingDue  bool
	writing  bool // a writer is at work
	watching bool // boards are wanted
	truth    truthState
	renewing bool           // a newer truth has been asked for; what happens is told all the same
	ending   wire.CloseCode // why the connection ends; 0 while it does not
	silent   bool           // nothing may be written any more

	idle chan struct{} // closed by the last writer; nil when nobody waits for that
}

// told is one thing to be told: a [dispatch.NoticeBody] or a body of package wire.
type told struct {
	body any
	re   string     // the command answered by a wire.Refused
	area geo.AreaID // that tells a notice
}

// asked is a command or a question that waits for its answer.
type asked struct {
	id string // of the command, or what question returns
	at int64  // uptime
}

// truthState says whether notices make sense to the client yet.
type truthState int8

const (
	truthLater  truthState = iota // not asked for yet
	truthWanted                   // asked for: the next one is for us
	truthTold                     // told: what follows builds on it
)

// Reasons for leaving something out, as the metric has them.
const (
	dropNewer   = "newer"         // a newer one took its place
	dropFull    = "full"          // the newest-wins lane was full
	dropEarly   = "before_truth"  // the truth will say it
	dropEnding  = "ending"        // the connection is about to close
	dropNobody  = "not_connected" // the party has no connection
	dropUnasked = "not_asked"     // another connection of the party asked
	dropHidden  = "not_theirs"    // the party may not see it
	dropEncode  = "encode"        // it could not be turned into a frame

	dropUnrecorded = "not_recorded" // that somebody looks could not be recorded
)

var dropReasons = []string{dropNewer, dropFull, dropEarly, dropEnding, dropNobody, dropUnasked, dropHidden, dropEncode, dropUnrecorded}

// outcome is what became of something put into the lanes.
type outcome struct {
	start    bool   // the caller must start a writer
	depth    int    // frames that must arrive and wait; 0 when nothing was added to them
	dropped  string // why something was left out, or ""
	overflow bool   // the must-arrive lane was full
}

// tell takes a notice of an area. Of one that must arrive and is taken learn is told before
// anybody writes it, in the order of the lane; what learn returns, if not nil, follows it.
func (l *lanes) tell(area geo.AreaID, body dispatch.NoticeBody, cfg *Config, learn func(dispatch.NoticeBody) any) outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	if reason := l.refuses(body); reason != "" {
		return outcome{dropped: reason}
	}
	if body.Lossy() {
		return l.putLoose(told{body: body, area: area}, cfg)
	}
	out := l.putMust(told{body: body, area: area}, cfg)
	if !out.overflow {
		if behind := learn(body); behind != nil {
			more := l.putMust(told{body: behind}, cfg)
			out.depth, out.overflow = more.depth, more.overflow
		}
	}
	if l.overtake(body) {
		out.dropped = dropNewer
	}
	return out
}

// refuses says why a notice is not for this connection now.
func (l *lanes) refuses(body dispatch.NoticeBody) string {
	if l.ending != 0 {
		return dropEnding
	}
	switch b := body.(type) {
	case dispatch.Done:
		return l.answered(string(b.ID))
	case dispatch.Refused:
		if b.ID != "" {
			return l.answered(string(b.ID))
		}
		about := question(b.Trip)
		if b.Trip == "" {
			about = questionNearby
		}
		if unasked := l.answered(about); !l.awaitsTruth() {
			return unasked
		}
		// It may be about a receipt that came with the hello.
	case dispatch.RouteTold:
		return l.answered(question(b.Trip))
	case dispatch.NearbyTold:
		return l.answered(questionNearby)
	case dispatch.LookTold:
		if !l.awaits(string(b.ID)) { // its Done, which follows, is the answer
			return dropUnasked
		}
	case dispatch.Truth:
		if !l.awaitsTruth() {
			return dropUnasked
		}
		l.truth, l.renewing = truthTold, false
	case dispatch.BoardTold:
		if !l.watching {
			return dropUnasked
		}
	default:
		if l.truth != truthTold {
			return dropEarly
		}
	}
	return ""
}

// question names a question about the way of a trip among what waits for answers.
// No command has this id: ids have no blanks.
func question(trip dispatch.TripID) string { return "route " + string(trip) }

// questionNearby names a question about the drivers near a place. They all have the same
// answer but for the place, so that it does not matter which one an answer is to.
const questionNearby = "nearby "

// awaits says whether a command or question waits for its answer.
func (l *lanes) awaits(id string) bool {
	return slices.ContainsFunc(l.asked, func(a asked) bool { return a.id == id })
}

// answered forgets a command or question that waited for its answer.
func (l *lanes) answered(id string) string {
	i := slices.IndexFunc(l.asked, func(a asked) bool { return a.id == id })
	if i < 0 {
		return dropUnasked
	}
	l.asked = slices.Delete(l.asked, i, i+1)
	if len(l.asked) == 0 {
		l.asked = nil
	}
	return ""
}

// forgetAsked is how long a command or question keeps its place among those that wait for an
// answer, in ms of uptime. An engine that stops in between never answers.
const forgetAsked = 30_000

// ask notes a command or question that is about to be handed over, or returns false when too
// many wait.
func (l *lanes) ask(id string, now int64, cfg *Config) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.asked) >= cfg.MaxWaiting && now-l.asked[0].at >= forgetAsked {
		l.asked = slices.Delete(l.asked, 0, 1)
	}
	if len(l.asked) >= cfg.MaxWaiting {
		return false
	}
	l.asked = append(l.asked, asked{id: id, at: now})
	return true
}

// unask takes back an ask: it was not taken.
func (l *lanes) unask(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered(id)
}

// put takes a frame of our own that must arrive.
func (l *lanes) put(frame told, cfg *Config) outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending != 0 {
		return outcome{dropped: dropEnding}
	}
	return l.putMust(frame, cfg)
}

// offer takes a frame of our own of which only the newest counts.
func (l *lanes) offer(frame told, cfg *Config) outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending != 0 {
		return outcome{dropped: dropEnding}
	}
	return l.putLoose(frame, cfg)
}

// follow puts frames of our own before all that waits. It is called by the writer, for what
// belongs behind the frame that it is about to write; the lane's bounds do not count for them,
// for there are never more than a truth names trips.
func (l *lanes) follow(frames []told) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.silent {
		return
	}
	l.must = slices.Concat(frames, l.must)
	for _, frame := range frames {
		l.bytes += weigh(frame.body)
	}
}

// wantTruth says that the truth has been asked for.
func (l *lanes) wantTruth() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.truth = truthWanted
}

// renew says that the truth is about to be asked for anew, or returns false when the
// connection has no use for it: it ends, or its first is asked for in a moment.
func (l *lanes) renew() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending != 0 || l.truth == truthLater {
		return false
	}
	l.renewing = l.truth == truthTold
	return true
}

// awaitsTruth says whether a truth has been asked for and not come yet.
func (l *lanes) awaitsTruth() bool { return l.truth == truthWanted || l.renewing }

// wants says what the engine is to be asked for: the truth, a board.
func (l *lanes) wants() (truth, board bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.awaitsTruth() && l.ending == 0, l.watching && l.ending == 0
}

// watch turns boards on or off.
func (l *lanes) watch(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watching = on
}

// putMust adds to the must-arrive lane. When it is full the connection ends, and
// what waits is of no use: the truth on return says it all.
func (l *lanes) putMust(frame told, cfg *Config) outcome {
	weight := weigh(frame.body)
	if len(l.must) >= cfg.LaneFrames || l.bytes+weight > cfg.LaneBytes {
		return outcome{overflow: true}
	}
	l.must = append(l.must, frame)
	l.bytes += weight
	return outcome{start: l.wantsWriter(), depth: len(l.must)}
}

// putLoose adds to the newest-wins lane, in the place of an older one if there is
// one: it keeps that place, so that what changes often does not push itself back.
// The search is linear on purpose: the lane is empty but for slow clients.
func (l *lanes) putLoose(frame told, cfg *Config) outcome {
	var dropped string
	key := looseKey(frame.body)
	if i := slices.IndexFunc(l.loose, func(t told) bool { return looseKey(t.body) == key }); i >= 0 {
		l.loose[i] = frame
		return outcome{dropped: dropNewer}
	}
	if len(l.loose) >= cfg.LooseFrames {
		l.loose = slices.Delete(l.loose, 0, 1)
		dropped = dropFull
	}
	l.loose = append(l.loose, frame)
	return outcome{start: l.wantsWriter(), dropped: dropped}
}

// overtake leaves out what waits in the newest-wins lane about a trip whose newer
// state is on its way, or about any when that is a truth: it would arrive after it and
// say something older.
func (l *lanes) overtake(by dispatch.NoticeBody) bool {
	if b, ok := by.(dispatch.TripTold); ok && !b.Trip.State.HasDriver() {
		l.unplace(b.Trip.ID)
	}
	had := len(l.loose)
	if had == 0 {
		return false
	}
	switch b := by.(type) {
	case dispatch.TripTold:
		l.loose = slices.DeleteFunc(l.loose, func(t told) bool { return looseKey(t.body).trip == b.Trip.ID })
	case dispatch.Truth:
		l.loose = slices.DeleteFunc(l.loose, func(t told) bool { return looseKey(t.body).trip != "" })
	}
	return len(l.loose) < had
}

// unplace takes a driver's position out of what still waits to be told of a trip that he
// is not bound to any more: on a slow link it would be shown long after that.
func (l *lanes) unplace(trip dispatch.TripID) {
	for i, t := range l.must {
		switch b := t.body.(type) {
		case dispatch.TripTold:
			if b.Trip.ID == trip {
				b.Trip.LastPosition = nil
				l.must[i].body = b
			}
		case dispatch.Truth:
			b.Trips = slices.Clone(b.Trips) // other connections of the party have the same
			for j := range b.Trips {
				if b.Trips[j].ID == trip {
					b.Trips[j].LastPosition = nil
				}
			}
			l.must[i].body = b
		}
	}
}

// looseName is a kind of message and the trip it is about.
type looseName struct {
	kind wire.Type
	trip dispatch.TripID
}

func looseKey(body any) looseName {
	switch b := body.(type) {
	case dispatch.QueueTold:
		return looseName{wire.TypeQueue, b.Trip}
	case dispatch.DriverAt:
		return looseName{wire.TypeDriverAt, b.Trip}
	case dispatch.BoardTold:
		return looseName{kind: wire.TypeBoard}
	}
	return looseName{kind: wire.TypePong}
}

// weigh estimates the bytes that something takes, waiting and encoded.
func weigh(body any) int {
	const frame, trip = 256, 1024
	switch b := body.(type) {
	case dispatch.Truth:
		return 2*trip + trip*len(b.Trips)
	case dispatch.TripTold, dispatch.OfferTold, dispatch.DutyTold, dispatch.NearbyTold, dispatch.LookTold:
		return trip
	case dispatch.RouteTold:
		return frame + lineLength(b.Approach) + lineLength(b.Ride)
	}
	return frame
}

func lineLength(w *dispatch.Way) int {
	if w == nil {
		return 0
	}
	return len(w.Line)
}

// wantsWriter says that a writer must be started, and that it counts as started.
func (l *lanes) wantsWriter() bool {
	start := !l.writing && !l.silent
	l.writing = l.writing || start
	return start
}

// signal runs set under the lock and says whether a writer must be started for it.
func (l *lanes) signal(set func(*lanes)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending != 0 {
		return false
	}
	set(l)
	return l.wantsWriter()
}

// end marks the connection as ending with a code. With flush what must arrive is
// still written before the close frame, else nothing. Unless it was ending already,
// begun is called before the writer can see that it ends, so that what begun sets
// is overruled by what the writer sets after the close frame.
func (l *lanes) end(code wire.CloseCode, flush bool, last *wire.Drain, begun func()) (start bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending != 0 || l.silent {
		return false
	}
	begun()
	l.ending = code
	l.loose, l.asked = nil, nil
	if !flush {
		l.must, l.bytes = nil, 0
	}
	if last != nil {
		l.must = append(l.must, told{body: *last})
	}
	return l.wantsWriter()
}

// endedBy marks the connection as ended by the library, which has sent the close
// frame itself.
func (l *lanes) endedBy(code wire.CloseCode) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending == 0 {
		l.ending = code
	}
	l.silence()
}

// Things that a writer does which are not frames of package wire.
type (
	sendPing  struct{}
	sendPong  struct{ payload []byte }
	sendClose struct{ code wire.CloseCode }
)

// next returns what the writer is to do now, or false when there is nothing: then
// it is no longer the writer.
func (l *lanes) next() (told, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.silent:
	case l.pongDue:
		payload := l.pong
		l.pong, l.pongDue = nil, false
		return told{body: sendPong{payload}}, true
	case l.pingDue:
		l.pingDue = false
		return told{body: sendPing{}}, true
	case len(l.must) > 0:
		frame := l.must[0]
		l.bytes -= weigh(frame.body)
		l.must = pop(l.must)
		return frame, true
	case len(l.loose) > 0:
		frame := l.loose[0]
		l.loose = pop(l.loose)
		return frame, true
	case l.ending != 0:
		l.silent = true
		return told{body: sendClose{l.ending}}, true
	}
	l.gone()
	return told{}, false
}

// pop drops the first and, when that was the last, the memory too.
func pop(list []told) []told {
	if len(list) == 1 {
		return nil
	}
	list[0] = told{}
	return list[1:]
}

// gone says that the writer has ended. The lock is held.
func (l *lanes) gone() {
	l.writing = false
	if l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
}

// abandon is next for a writer that cannot go on.
func (l *lanes) abandon() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silence()
	l.gone()
}

// shut empties the lanes for good and returns a channel that is closed when the
// writer has ended, or nil when there is none.
func (l *lanes) shut() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silence()
	if !l.writing {
		return nil
	}
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	return l.idle
}

func (l *lanes) silence() {
	l.silent = true
	l.must, l.loose, l.asked, l.pong, l.bytes = nil, nil, nil, nil, 0
}

// endsWith returns why the connection ends, or 0.
func (l *lanes) endsWith() wire.CloseCode {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending
}
