package redisstore

import (
	"cmp"
	"context"
	_ "embed" // the scripts
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
	"cuntong/fault"
	"cuntong/geo"
)

//go:embed beat.lua
var beatSource string

//go:embed send.lua
var sendSource string

//go:embed receive.lua
var receiveSource string

//go:embed discard.lua
var discardSource string

const (
	// LivesFor is how long a server counts as living after it was heard of, by the
	// clock of Redis.
	LivesFor = 2 * time.Second
	// ListedFor is how long a server that fell silent stays on the list.
	ListedFor = time.Minute
	// MaxInbox bounds the letters that wait in the inbox of an area. When it is full
	// nothing more goes in, and the sender is told.
	MaxInbox = 10_000
	// MaxPost bounds the letters in a server's post box. When it is full the oldest
	// are forgotten and counted.
	MaxPost = 4096
	// PostLife is how long a post box stays that nobody looks into.
	PostLife = 3 * time.Minute

	// mailBytes bounds what one Receive brings along, but for its last letter.
	mailBytes = 1 << 20
	// maxListen is how long one question waits for a letter. A wait that was given up
	// keeps its connection for so long, and a server that stands still is noticed within it.
	maxListen = 500 * time.Millisecond
	// mailConns are for everything that does not wait.
	mailConns = 16
	// listenConns are for the readers that wait: one a box. With more boxes than that
	// the next reader is told that all are busy.
	listenConns = 256
	// maxNodeID bounds the name of a run of a server, in bytes.
	maxNodeID = 128
)

// Exchange returns how the servers on this Redis find and reach each other. Every
// call returns the same. [Store.Close] ends it, and whoever waits in it.
func (s *Store) Exchange() dispatch.Exchange { return s.exchange }

// exchange implements [dispatch.Exchange]. It has connections of its own, so that
// neither letters nor those who wait for them take the ledger's turn.
type exchange struct {
	// Static after construction.
	store                        *Store
	beat, send, receive, discard *redis.Script

	mail, patient *pool          // for what is answered at once, and for what waits
	waiting       sync.WaitGroup // those who listen

	mu     sync.Mutex // guards the following fields
	closed bool
	turns  map[string]chan struct{} // one a box that was waited for; holds a token while somebody listens
}

func newExchange(s *Store) *exchange {
	script := func(source string) *redis.Script {
		if s.target.plainLua {
			_, source, _ = strings.Cut(source, "\n")
		}
		return redis.NewScript(source)
	}
	return &exchange{
		store: s, turns: map[string]chan struct{}{}, mail: s.newPool(mailConns), patient: s.newPool(listenConns),
		beat: script(beatSource), send: script(sendSource), receive: script(receiveSource), discard: script(discardSource),
	}
}

// close ends everybody who waits, and waits for their end.
func (x *exchange) close() error {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	err := errors.Join(x.patient.close(), x.mail.close())
	x.waiting.Wait()
	return err
}

// box is a stream of letters and the id of the last that was put there.
type box struct {
	kind   string // for metrics
	holder string // area or server, which replies repeat
	stream string
	last   string
	most   int
	full   string        // what to do when it is: "refuse" or "forget"
	life   time.Duration // without its reader; 0: for ever
}

// The kinds of box, as metrics name them.
const (
	boxInbox = "inbox"
	boxPost  = "post"
)

func inboxOf(area geo.AreaID) (box, error) {
	_, err := geo.ParseAreaID(string(area))
	k := keys{area: area}
	return box{kind: boxInbox, holder: string(area), stream: k.inbox(), last: k.inboxLast(), most: MaxInbox, full: "refuse"}, err
}

func postOf(id dispatch.NodeID) (box, error) {
	stream := postKey(id)
	return box{kind: boxPost, holder: string(id), stream: stream, last: stream + ":last", most: MaxPost, full: "forget", life: PostLife}, checkNode(id)
}

// checkNode says whether id may name a run of a server: it becomes part of a key.
func checkNode(id dispatch.NodeID) error {
	name, word, _ := strings.Cut(string(id), "~")
	if len(id) > maxNodeID || dispatch.CheckID(name) != nil || dispatch.CheckID(word) != nil {
		return fmt.Errorf("server id %.140q: want a name, a ~ and a word, together up to %d of ASCII letters, digits and -_.:@", string(id), maxNodeID)
	}
	return nil
}

// Beat implements [dispatch.Exchange]. The clock of the store is set by it.
func (x *exchange) Beat(ctx context.Context, self dispatch.Peer) ([]dispatch.Peer, dispatch.Instant, error) {
	if err := checkNode(self.ID); err != nil {
		return nil, 0, err
	}
	paper, err := json.Marshal(self)
	if err != nil {
		return nil, 0, fmt.Errorf("beat of %s: %w", self.ID, err)
	}
	clock := x.store.clock
	asked := clock.mark()
	reply, err := x.run(ctx, callBeat, x.beat, []string{nodesKey}, "nodes", nonce(), string(self.ID), paper, LivesFor.Milliseconds(), ListedFor.Milliseconds())
	if err != nil {
		return nil, 0, err
	}
	if len(reply) == 0 {
		return nil, 0, fmt.Errorf("beat of %s: %w", self.ID, errMismatch)
	}
	micros, err := number(reply[0])
	if err != nil {
		return nil, 0, err
	}
	now := time.UnixMicro(int64(micros))
	clock.read(asked, now)
	return x.peers(reply[1:]), dispatch.InstantOf(now), nil
}

// setClock takes the first reading of the clock, if Redis answers: later ones come
// with every Beat.
func (x *exchange) setClock(ctx context.Context) {
	asked := x.store.clock.mark()
	node, err := x.mail.at(ctx, nodesKey)
	var now time.Time
	if err == nil {
		now, err = node.Time(ctx).Result()
	}
	if x.failed(callBeat, "nodes", err) == nil {
		x.store.clock.read(asked, now)
	}
}

// peers reads the entries of the list, by id. One that is damaged is left out and
// counted: its server writes it anew with its next beat.
func (x *exchange) peers(entries []string) []dispatch.Peer {
	var peers []dispatch.Peer
	for _, entry := range entries {
		seen, paper, _ := strings.Cut(entry, " ")
		at, err := number(seen)
		var peer dispatch.Peer
		if err == nil {
			err = json.Unmarshal([]byte(paper), &peer)
		}
		if err != nil || checkNode(peer.ID) != nil {
			x.store.metrics.errors.WithLabelValues(callBeat, reasonMismatch).Inc()
			continue
		}
		peer.Seen = dispatch.Instant(at)
		peers = append(peers, peer)
	}
	slices.SortFunc(peers, func(a, b dispatch.Peer) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return peers
}

// Bye implements [dispatch.Exchange].
func (x *exchange) Bye(ctx context.Context, id dispatch.NodeID) error {
	b, err := postOf(id)
	if err != nil {
		return err
	}
	err = x.mail.pipelined(ctx, nodesKey, func(p redis.Pipeliner) error { return p.HDel(ctx, nodesKey, string(id)).Err() })
	if err == nil {
		err = x.mail.pipelined(ctx, b.stream, func(p redis.Pipeliner) error { return p.Del(ctx, b.stream, b.last).Err() })
	}
	return x.failed(callBye, string(id), err)
}

// Tenures implements [dispatch.Exchange].
func (x *exchange) Tenures(ctx context.Context, areas []geo.AreaID) ([]dispatch.Tenure, error) {
	if len(areas) == 0 {
		return nil, nil
	}
	read := make([]*redis.SliceCmd, len(areas))
	where := map[*redis.Client][]int{} // in a cluster the areas lie on several servers
	for i, area := range areas {
		node, err := x.mail.at(ctx, keys{area: area}.lease())
		if err != nil {
			return nil, x.failed(callTenures, string(area), err)
		}
		where[node] = append(where[node], i)
	}
	for node, mine := range where {
		_, err := node.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, i := range mine {
				read[i] = p.HMGet(ctx, keys{area: areas[i]}.lease(), "owner", "node", "epoch", "until", "next", "next_until")
			}
			return nil
		})
		if err != nil {
			x.mail.failed(ctx, err)
			return nil, x.failed(callTenures, fmt.Sprintf("%d areas", len(mine)), err)
		}
	}
	var err error
	now := dispatch.InstantOf(x.store.clock.Now())
	tenures := make([]dispatch.Tenure, len(areas))
	for i, area := range areas {
		if tenures[i], err = tenureOf(area, now, read[i].Val()); err != nil {
			return nil, x.failed(callTenures, string(area), err)
		}
	}
	return tenures, nil
}

// tenureOf reads the fields of a lease. One that an earlier program wrote names no
// run of a server, only a server. A turn that is over is not mentioned.
func tenureOf(area geo.AreaID, now dispatch.Instant, fields []any) (dispatch.Tenure, error) {
	if len(fields) != 6 {
		return dispatch.Tenure{}, errMismatch
	}
	var text [6]string
	var numbers [6]uint64
	for i, field := range fields {
		text[i], _ = field.(string)
	}
	for _, i := range []int{2, 3, 5} {
		if text[i] == "" {
			continue
		}
		var err error
		if numbers[i], err = number(text[i]); err != nil {
			return dispatch.Tenure{}, err
		}
	}
	t := dispatch.Tenure{Area: area, Epoch: dispatch.Epoch(numbers[2]), Until: dispatch.Instant(numbers[3])}
	if text[0] != "" {
		t.Node = dispatch.NodeID(cmp.Or(text[1], text[0]))
	}
	if dispatch.Instant(numbers[5]) > now {
		t.Next = dispatch.NodeID(text[4])
	}
	return t, nil
}

// Send implements [dispatch.Exchange]. It is tried once: whoever repeats it may
// double the letters.
func (x *exchange) Send(ctx context.Context, area geo.AreaID, letters [][]byte) error {
	b, err := inboxOf(area)
	if err == nil {
		err = x.put(ctx, callSend, b, letters)
	}
	if err == nil {
		fault.Point("mail.sent")
	}
	return err
}

// Deliver implements [dispatch.Exchange]. It is tried once, as Send is.
func (x *exchange) Deliver(ctx context.Context, to dispatch.NodeID, letters [][]byte) error {
	b, err := postOf(to)
	if err == nil {
		err = x.put(ctx, callDeliver, b, letters)
	}
	if err == nil {
		fault.Point("post.delivered")
	}
	return err
}

// put puts letters into a box.
func (x *exchange) put(ctx context.Context, name string, b box, letters [][]byte) error {
	if len(letters) == 0 {
		return nil
	}
	if len(letters) > dispatch.MaxLetters {
		return fmt.Errorf("%s to %s: %d letters: at most %d go at once", name, b.holder, len(letters), dispatch.MaxLetters)
	}
	args := []any{b.most, b.full, b.life.Milliseconds()}
	for _, letter := range letters {
		if len(letter) > dispatch.MaxLetter {
			return fmt.Errorf("%s to %s: a letter of %d bytes: at most %d may be in one", name, b.holder, len(letter), dispatch.MaxLetter)
		}
		args = append(args, letter)
	}
	reply, err := x.run(ctx, name, x.send, []string{b.stream, b.last}, b.holder, nonce(), args...)
	if err != nil {
		return err
	}
	if len(reply) != 2 {
		return fmt.Errorf("%s to %s: %w", name, b.holder, errMismatch)
	}
	forgotten, err := number(reply[1])
	if err != nil {
		return err
	}
	counts := x.store.metrics.letters
	if reply[0] == "full" {
		counts.WithLabelValues(b.kind, "refused").Add(float64(len(letters)))
		return fmt.Errorf("%s to %s: %w", name, b.holder, dispatch.ErrBoxFull)
	}
	counts.WithLabelValues(b.kind, "sent").Add(float64(len(letters)))
	counts.WithLabelValues(b.kind, "forgotten").Add(float64(forgotten))
	return nil
}

// Receive implements [dispatch.Exchange]. When Redis has come back without the given
// letter it returns the oldest again: letters may come twice, and none is missed.
// One reader of a box waits at a time; another waits for him first.
func (x *exchange) Receive(ctx context.Context, area geo.AreaID, after dispatch.LetterID, wait time.Duration) ([]dispatch.Letter, error) {
	b, err := inboxOf(area)
	if err != nil {
		return nil, err
	}
	letters, err := x.read(ctx, callReceive, b, after, wait)
	if len(letters) > 0 {
		fault.Point("mail.received")
	}
	return letters, err
}

// Collect implements [dispatch.Exchange]. What was given as after is let go with all
// before it, so a post box has one reader.
func (x *exchange) Collect(ctx context.Context, me dispatch.NodeID, after dispatch.LetterID, wait time.Duration) ([]dispatch.Letter, error) {
	b, err := postOf(me)
	if err != nil {
		return nil, err
	}
	return x.read(ctx, callCollect, b, after, wait)
}

// read returns the letters of a box after a given one, and waits for the first.
func (x *exchange) read(ctx context.Context, name string, b box, after dispatch.LetterID, wait time.Duration) ([]dispatch.Letter, error) {
	if _, _, err := placeOf(after); err != nil && after != "" {
		return nil, err
	}
	until := time.Now().Add(wait)
	for {
		letters, last, err := x.fetch(ctx, name, b, after)
		if err != nil || len(letters) > 0 {
			return letters, err
		}
		left := min(time.Until(until), maxListen)
		if left < time.Millisecond { // Redis takes no time at all for all time
			return nil, nil
		}
		if err := x.listen(ctx, name, b, last, left); err != nil {
			return nil, err
		}
	}
}

// fetch returns what lies in a box now after a given letter, and the last one ever put there.
func (x *exchange) fetch(ctx context.Context, name string, b box, after dispatch.LetterID) (letters []dispatch.Letter, last string, err error) {
	reply, err := x.run(ctx, name, x.receive, []string{b.stream, b.last}, b.holder, nonce(), string(after), dispatch.MaxLetters, mailBytes, b.life.Milliseconds())
	if err != nil {
		return nil, "", err
	}
	if len(reply) < 2 || len(reply)%2 != 0 {
		return nil, "", fmt.Errorf("%s of %s: %w", name, b.holder, errMismatch)
	}
	for pair := range slices.Chunk(reply[2:], 2) {
		letters = append(letters, dispatch.Letter{ID: dispatch.LetterID(pair[0]), Body: []byte(pair[1])})
	}
	counts := x.store.metrics.letters
	counts.WithLabelValues(b.kind, "received").Add(float64(len(letters)))
	if reply[0] == "again" && len(letters) > 0 {
		counts.WithLabelValues(b.kind, "reread").Add(float64(len(letters)))
		x.store.log.Warn("a box does not know the last letter that was read; it is read from the oldest again: redis lost letters, or many came at once",
			"box", b.kind, "of", b.holder, "after", string(after))
	}
	return letters, reply[1], nil
}

// errClosed: the store was closed while somebody waited.
var errClosed = errors.New("the store is closed")

// listen waits until a letter follows the last one, or for a while. When ctx ends
// it returns at once; the connection goes on waiting for its while.
func (x *exchange) listen(ctx context.Context, name string, b box, last string, wait time.Duration) error {
	turn := x.turn(b)
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	heard := make(chan error, 1)
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		<-turn
		return errClosed
	}
	x.waiting.Go(func() {
		defer func() { <-turn }()
		heard <- x.hear(context.WithoutCancel(ctx), b, last, wait)
	})
	x.mu.Unlock()
	select {
	case err := <-heard:
		return x.failed(name, b.holder, err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// turn returns the turn to listen at a box: who puts a token there has it.
func (x *exchange) turn(b box) chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	turn := x.turns[b.stream]
	if turn == nil {
		turn = make(chan struct{}, 1)
		x.turns[b.stream] = turn
	}
	return turn
}

// hear holds a connection until a letter comes. What came is read by fetch, which
// also sees what this question is blind for.
func (x *exchange) hear(ctx context.Context, b box, last string, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait+callTimeout+x.store.target.patience)
	defer cancel()
	if last == "" {
		last = "0-0"
	}
	node, err := x.patient.at(ctx, b.stream)
	if err == nil {
		err = node.XRead(ctx, &redis.XReadArgs{Streams: []string{b.stream, last}, Count: 1, Block: wait}).Err()
	}
	switch {
	case errors.Is(err, redis.Nil):
		return nil
	case !errors.Is(err, redis.ErrClosed): // by us, who know why
		x.patient.failed(ctx, err)
	}
	return err
}

// Discard implements [dispatch.Exchange]. A letter that the inbox does not know is no error.
func (x *exchange) Discard(ctx context.Context, area geo.AreaID, upTo dispatch.LetterID) error {
	b, err := inboxOf(area)
	if err != nil {
		return err
	}
	millis, count, err := placeOf(upTo)
	if err != nil {
		return err
	}
	next := fmt.Sprintf("%d-%d", millis, count+1)
	reply, err := x.run(ctx, callDiscard, x.discard, []string{b.stream}, b.holder, string(upTo), next)
	if err != nil {
		return err
	}
	if len(reply) != 2 {
		return fmt.Errorf("discard of %s: %w", b.holder, errMismatch)
	}
	gone, err := number(reply[1])
	x.store.metrics.letters.WithLabelValues(b.kind, "discarded").Add(float64(gone))
	fault.Point("mail.discarded")
	return err
}

// placeOf reads the id of a letter.
func placeOf(id dispatch.LetterID) (millis, count uint64, err error) {
	first, second, _ := strings.Cut(string(id), "-")
	millis, err = strconv.ParseUint(first, 10, 64)
	if err == nil {
		count, err = strconv.ParseUint(second, 10, 63)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("letter id %.60q: want two numbers with a - between them", string(id))
	}
	return millis, count, nil
}

// nonce is a word of a question that no other has. As a number it is below 2^52.
func nonce() string { return strconv.FormatUint(rand.Uint64N(1<<52), 10) }

// run runs a script once and checks whom the reply speaks of.
func (x *exchange) run(ctx context.Context, name string, script *redis.Script, keys []string, holder, word string, args ...any) ([]string, error) {
	reply, err := x.store.try(ctx, x.mail, call{name: name, script: script, keys: keys, echo: [2]string{holder, word}, args: args})
	x.mail.failed(ctx, err)
	return reply, x.failed(name, holder, err)
}

// failed counts an error and says where it happened; nil stays nil.
func (x *exchange) failed(name, holder string, err error) error {
	if err == nil {
		return nil
	}
	x.store.metrics.errors.WithLabelValues(name, reasonOf(err)).Inc()
	return fmt.Errorf("%s of %s: %w", name, holder, err)
}
