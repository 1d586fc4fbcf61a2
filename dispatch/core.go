package dispatch

import (
	"time"

	"cuntong/geo"
)

// Core is the dispatching of one area: a deterministic machine that takes inputs
// one after another. The same inputs at the same times give the same outcomes,
// always. It belongs to one goroutine.
//
// State comes in three layers. The durable one (trips, drivers, commands) is
// changed by fold alone. The derived one (queue, deadlines, counts) follows from
// the durable one and is changed beside it. The soft one (positions) is lost in a
// crash and comes back with the next position of each phone.
type Core struct {
	// Static after construction.
	area   *geo.Area
	rules  Rules
	router geo.Router
	roads  geo.Roads           // router, when its roads can be changed; else nil
	codes  func(TripID) string // makes start codes; nil: there are none. Set by MakeCodes
	// neighbours are the areas whose drivers may come here and the other way round.
	neighbours []*geo.Area // set by Border

	// Durable: what the facts say.
	seq      Seq
	last     Instant // of the newest fact
	trips    map[TripID]*Trip
	drivers  map[DriverID]*Driver
	commands commandMemory
	changes  map[geo.RoadChangeID]geo.RoadChange // to the roads
	outflows map[geo.AreaID]*outflow             // drivers who have gone to other areas
	inflows  map[geo.AreaID]*inflow              // drivers who have come from there
	gone     map[DriverID]*gone                  // where those are who were last on duty here
	shut     shut                                // who is kept out
	trust    map[DriverID]trusted                // whose positions are not fully believed

	// Derived from the durable state.
	queue     queue
	gathering []TripID // requested trips that wait a moment for others to compete with
	deadlines deadlines
	parties   map[Actor][]TripID    // trips in memory of each booker and traveller, in the order requested
	booked    map[Actor]int         // open trips of each booker
	ended     []TripID              // ended trips still in memory, oldest first
	counts    map[State]int         // trips in memory by state
	drove     map[DriverID][]TripID // completed trips in memory of each driver, oldest end first

	// Soft: where drivers are.
	fixes map[DriverID]*fixed
	fresh freshList
	quiet quiet
	free  *geo.Index[DriverID] // drivers who may be asked now
	busy  *geo.Index[DriverID] // drivers with a plan who are heard of, at its last stop
	links map[DriverID]*link   // of drivers on duty of whose links something is known
	// forgotten are the drivers whose position was dropped and is yet to be unshown.
	forgotten []DriverID

	// Soft: where trips went.
	paths      map[TripID]*path
	endedPaths []TripID // those of them that have ended, first end first

	// Soft: what is watched of drivers' positions, and how fast orders come.
	watching watching
	brakes   brakes

	// Soft: what neighbours are being asked, for waiting trips.
	inquiries map[TripID]*inquiry
	// missed are trips that parties knew of and the ledger does not.
	missed lostTrips
	// goneForgotten counts those of gone who were forgotten for want of room.
	goneForgotten int

	// Soft: what was worked out from the roads.
	aim    aim
	aheads map[DriverID]*ahead // of drivers with a plan
	paves  map[TripID]*pave    // of open trips
	wants  wants
	// roadsStale says that the changes are not those the roads were last set to;
	// roadsNext is when one of them begins or ends by itself, or 0.
	roadsStale bool
	roadsNext  Instant
	relook     []TripID                            // trips to look at again because the roads have changed
	extents    map[geo.RoadChangeID]geo.RoadExtent // of the changes, as asked for

	// What a fold left to be done within the same Apply.
	wanting []TripID   // trips that want a driver
	freed   []DriverID // drivers whose luck changed

	board  Board // as last made, for those who watch
	nearby nearby

	// watchEnd, when set, sees every trip as it ends, by which fact and when.
	watchEnd func(seq Seq, at Instant, t *Trip)
	// watchAmend, when set, sees an ended trip that has been paid or measured since.
	watchAmend func(seq Seq, at Instant, t *Trip)

	// watchContest, when set, sees every contest as it is decided.
	watchContest func(trips []*Trip, options [][]option, cost [][]int64, result assignment)
}

// Outcome is what one input brought about. Facts are to be recorded before
// anybody is told a notice.
type Outcome struct {
	Facts   []Fact
	Notices []Notice
	// Letters go to other areas, like notices only after the facts are recorded.
	Letters []AreaLetter
	// Matches describes the offers made, for measuring.
	Matches []Match
	// Waits are the times in milliseconds from request to arrival at the pickup of
	// the drivers who arrived, for measuring.
	Waits []Instant
	// ETAErrors are by how much the drivers who arrived came at another time than promised.
	ETAErrors []time.Duration
	// Tracked says what came of each position from the dark, for measuring.
	Tracked []TrackResult
	// Contests describes the contests decided, for measuring.
	Contests []Contest
	// Ignored says why a position was not taken, or is empty.
	Ignored Ignored
	// Receipts says what came of each receipt, for measuring.
	Receipts []ReceiptResult
	// Signs are what positions gave reason to doubt, for measuring.
	Signs []Sign
	// Borders says what happened between areas, for measuring.
	Borders []BorderEvent
}

// Ignored says why a position was not taken. The names are metric labels.
type Ignored string

// The reasons.
const (
	IgnoredOffDuty Ignored = "off_duty"     // the driver is not on duty in this area
	IgnoredGone    Ignored = "elsewhere"    // the driver belongs to another area now
	IgnoredBad     Ignored = "out_of_range" // not a place on Earth
	IgnoredLate    Ignored = "late"         // a newer one is known
	IgnoredOld     Ignored = "old"          // from a time in the dark: it says where he was, not where he is
)

// Match measures one offer as it was made.
type Match struct {
	Waited      Instant // milliseconds from request to this offer
	PositionAge Instant // milliseconds since the driver's position was received
	Candidates  int     // drivers looked at
}

// Contest measures one decision between trips that wanted the same drivers.
type Contest struct {
	Trips   int // that were judged together
	Drivers int // whom any of them wanted
}

// NewCore returns an area without trips or drivers. The rules must be valid.
func NewCore(area *geo.Area, rules Rules, router geo.Router) *Core {
	roads, _ := router.(geo.Roads)
	return &Core{
		area:      area,
		rules:     rules,
		router:    router,
		roads:     roads,
		changes:   map[geo.RoadChangeID]geo.RoadChange{},
		outflows:  map[geo.AreaID]*outflow{},
		inflows:   map[geo.AreaID]*inflow{},
		gone:      map[DriverID]*gone{},
		inquiries: map[TripID]*inquiry{},
		aim:       newAim(router),
		aheads:    map[DriverID]*ahead{},
		extents:   map[geo.RoadChangeID]geo.RoadExtent{},
		paves:     map[TripID]*pave{},
		// Whatever used these roads before has left its changes on them.
		roadsStale: true,
		trips:      map[TripID]*Trip{},
		drivers:    map[DriverID]*Driver{},
		commands:   newCommandMemory(rules.KeepCommands),
		shut:       newShut(),
		trust:      map[DriverID]trusted{},
		watching:   newWatching(),
		brakes:     newBrakes(rules),
		parties:    map[Actor][]TripID{},
		booked:     map[Actor]int{},
		counts:     map[State]int{},
		drove:      map[DriverID][]TripID{},
		paths:      map[TripID]*path{},
		fixes:      map[DriverID]*fixed{},
		links:      map[DriverID]*link{},
		free:       geo.NewIndex[DriverID](),
		busy:       geo.NewIndex[DriverID](),
	}
}

// Seq returns the sequence of the newest fact.
func (c *Core) Seq() Seq { return c.seq }

// Last returns the moment of the newest fact. Apply must not be given an earlier one.
func (c *Core) Last() Instant { return c.last }

// NextDeadline returns when time itself next has something to do: a deadline is due,
// trips have gathered, a change to the roads begins or ends, neighbours are to be asked
// or a driver handed over to them again, or areas told of a bar. ok is false when nothing is.
func (c *Core) NextDeadline() (at Instant, ok bool) {
	at, ok = c.deadlines.next()
	sooner := func(due Instant) {
		if !ok || due < at {
			at, ok = due, true
		}
	}
	if due, gathering := c.gatheredAt(); gathering {
		sooner(due)
	}
	if c.roadsNext != 0 {
		sooner(c.roadsNext)
	}
	if len(c.relook) > 0 {
		sooner(c.last)
	}
	if due, asking := c.abroadAt(); asking {
		sooner(due)
	}
	if due, under := c.handOverAt(); under {
		sooner(due)
	}
	if due, under := c.passBarsAt(); under {
		sooner(due)
	}
	return at, ok
}

// Replay takes a fact from the journal, in order.
func (c *Core) Replay(f Fact) error {
	if f.Seq != c.seq+1 {
		return gapError(c.seq, f.Seq)
	}
	if err := c.admissible(f); err != nil {
		return err
	}
	c.fold(f)
	// What a fold leaves to be done was done by the facts that follow it.
	c.freed = nil
	c.gather(c.wanting)
	c.wanting = nil
	return nil
}

// Apply decides what in means at now, changes the state, and returns what is to
// be recorded and told.
func (c *Core) Apply(now Instant, in Input) Outcome {
	r := run{core: c, now: now}
	c.forgetSilent(now)
	c.lookAround(now)
	r.refreshRoads()
	switch in := in.(type) {
	case Moved:
		r.moved(in)
	case Tick:
		r.tick()
	case Hello:
		r.hello(in)
	case Tracked:
		r.tracked(in)
	case AskRoute:
		r.route(in)
	case AskNearby:
		if no := c.mayDo(in); no != nil {
			r.tell(in.By, Refused{Refusal: *no})
			break
		}
		r.near(in)
	case AskQuote, Quote, Borrow, NoLoan, Admit, Settled, BarAbroad, BarKnown:
		r.letter(in)
	case OfferSeen:
		r.offerSeen(in)
	case LinkLost:
		r.linkLost(in)
	case Watch:
		if no := c.mayDo(in); no != nil {
			r.tell(in.By, Refused{Refusal: *no})
			break
		}
		r.tell(in.By, BoardTold{Board: c.boardAt(now)})
	default:
		r.command(in)
	}
	r.pursue()
	r.announce()
	return r.out
}

// spot finds a place on the roads.
func (c *Core) spot(p Place) geo.Spot { return c.router.Locate(p.Point, -1) }

// leaving is a drive by v that begins now.
func (c *Core) leaving(now Instant, v Vehicle) geo.Drive {
	return geo.Drive{Class: v.Class, Leaves: now.Time()}
}

// hello tells a party the present truth; a driver who has gone elsewhere, where to
// ask for it; who is shut out, only that. While he is on his way he is told nothing: his hub asks again.
func (r *run) hello(in Hello) {
	c := r.core
	if out, shut := c.shut.against(r.now, in); shut {
		r.tell(in.By, out)
		return
	}
	r.replaced(in)
	r.present(in)
	r.saidHello(in.By.Driver())
	if id := in.By.Driver(); c.gone[id] != nil {
		r.pointTo(id)
		return
	}
	truth := c.truth(r.now, in.By)
	truth.For = in.Session
	r.tell(in.By, truth)
}

// run is one Apply: it collects the outcome.
type run struct {
	core *Core
	now  Instant
	out  Outcome
	// touched are the trips whose state changed, each once, in order, with the
	// driver who is to hear of it though he is no longer bound.
	touched []touched
	// offers are the trips that were offered, whose drivers are yet to be told.
	offers []TripID
	// shifted is the first place in the queue that changed hands, or 0.
	shifted int
	// reviewing says that the roads have changed under the open trips.
	reviewing bool
}

// touched is a trip to tell of.
type touched struct {
	trip   *Trip
	former DriverID // who was bound to it before, or empty
}

// record makes a fact of body, folds it into the state and notes whom to tell.
func (r *run) record(body FactBody, cause *Cause) {
	c := r.core
	f := Fact{Seq: c.seq + 1, At: r.now, Body: body, Cause: cause}
	before := c.bonds(body)
	c.fold(f)
	r.out.Facts = append(r.out.Facts, f)
	c.trace(body)
	r.after(body, before)
}

func (r *run) tell(to Actor, body NoticeBody) {
	r.out.Notices = append(r.out.Notices, Notice{To: to, Body: body})
}

// pursue follows up what the facts so far have changed: roads are set and the trips
// on them looked at again, trips that want a driver are offered or parked, and
// drivers whose luck changed are contended for.
//
// It ends because every step takes a trip off its list, or a driver, and an
// offer, a parking and an end without a driver put nobody on either.
func (r *run) pursue() {
	c := r.core
	r.refreshRoads()
	r.review()
	r.lookAgain()
	r.overdueInquiries()
	r.ripen()
	for len(c.wanting)+len(c.freed) > 0 {
		if len(c.wanting) > 0 {
			ids := c.wanting
			c.wanting = nil
			r.match(ids)
			continue
		}
		id := c.freed[0]
		c.freed = c.freed[1:]
		r.serveQueue(id)
	}
	c.wanting, c.freed = nil, nil
}
