package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
	"cuntong/geo"
)

// conformExchange holds the promises of the exchange against a server.
func conformExchange(t *testing.T, h harness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, harness)
	}{
		{"servers find each other", testBeat},
		{"who falls silent is taken off the list", testBeatSweeps},
		{"rubbish on the list is left out", testBeatRubbish},
		{"a server says bye", testBye},
		{"tenures are those of the leases", testTenures},
		{"letters come in the order they were sent", testLetters},
		{"a reader is woken", testLetterWakes},
		{"many senders, one reader", testManySenders},
		{"letters have their limits", testLetterLimits},
		{"a full inbox takes nothing", testBoxFull},
		{"what is discarded is gone", testDiscard},
		{"the next writer finds what was not discarded", testNextReader},
		{"a lost reply may double a letter", testLetterUnknown},
		{"a reply to another question is not believed", testLetterMismatch},
		{"letters lost in a fail-over are made up for", testLettersBehind},
		{"a discard does not touch what came after a fail-over", testLettersBehindDiscard},
		{"a full post box forgets the oldest", testPostForgets},
		{"a post box nobody reads goes away", testPostLife},
		{"a wait ends with its time", testWaitEnds},
		{"a wait ends with its context", testWaitCancelled},
		{"a wait ends with the store", testWaitClosed},
		{"one reader of a box waits at a time", testOneListener},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, h) })
	}
}

func TestExchangeEmbedded(t *testing.T) {
	conformExchange(t, harness{store: open(t, Config{Mode: ModeEmbedded})})
}

func TestExchangeChild(t *testing.T) {
	needServer(t)
	conformExchange(t, harness{store: open(t, Config{Mode: ModeChild, DataDir: t.TempDir()})})
}

func TestExchangeGiven(t *testing.T) {
	conformExchange(t, harness{store: open(t, Config{Mode: startGiven(t).url()})})
}

var nodes atomic.Int64

// newNode names a run of a server no other test uses.
func newNode() dispatch.NodeID {
	return dispatch.NodeID(fmt.Sprintf("node-%d~w", nodes.Add(1)))
}

func bodies(words ...string) (letters [][]byte) {
	for _, w := range words {
		letters = append(letters, []byte(w))
	}
	return letters
}

func send(t *testing.T, s *Store, area geo.AreaID, words ...string) {
	t.Helper()
	if err := s.Exchange().Send(t.Context(), area, bodies(words...)); err != nil {
		t.Fatal(err)
	}
}

// receive reads once, and repeats it after an error, as any reader does.
func receive(t *testing.T, s *Store, area geo.AreaID, after dispatch.LetterID, wait time.Duration) (letters []dispatch.Letter) {
	t.Helper()
	persist(t, "receive", func() (err error) {
		letters, err = s.Exchange().Receive(t.Context(), area, after, wait)
		return err
	})
	return letters
}

func words(letters []dispatch.Letter) []string {
	said := []string{}
	for _, l := range letters {
		said = append(said, string(l.Body))
	}
	return said
}

func wantWords(t *testing.T, what string, got []dispatch.Letter, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), words(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func beat(t *testing.T, s *Store, self dispatch.Peer) map[dispatch.NodeID]dispatch.Peer {
	t.Helper()
	var peers []dispatch.Peer
	persist(t, "beat", func() (err error) {
		peers, _, err = s.Exchange().Beat(t.Context(), self)
		return err
	})
	by := map[dispatch.NodeID]dispatch.Peer{}
	for _, p := range peers {
		by[p.ID] = p
	}
	return by
}

func testBeat(t *testing.T, h harness) {
	a := dispatch.Peer{ID: newNode(), Name: "left"}
	b := dispatch.Peer{ID: newNode(), Name: "right", Leaving: true}
	other, raw := h.peer(t, "node-b"), h.all(t)
	clock := func() dispatch.Instant { return dispatch.InstantOf(must(raw.Time(t.Context()).Result())(t)) }
	var after dispatch.Instant
	while(t, h, LivesFor, func() (trouble string) {
		if got := beat(t, h.store, a); got[a.ID].Name != "left" || got[a.ID].Leaving {
			t.Errorf("self is %+v", got[a.ID])
		}
		before := clock()
		got := beat(t, other, b)
		after = clock()
		if !got[b.ID].Leaving || got[b.ID].Seen < before || got[b.ID].Seen > after {
			t.Errorf("self is %+v", got[b.ID])
		}
		gone := a
		gone.Leaving = true
		back := beat(t, h.store, gone)
		if !back[a.ID].Leaving {
			t.Errorf("self is %+v", back[a.ID])
		}
		if got[a.ID].Name != "left" || back[b.ID].Name != "right" {
			return fmt.Sprintf("peers are %+v, then %+v", got, back)
		}
		return ""
	})
	_, now, err := h.store.Exchange().Beat(t.Context(), a)
	if last := clock(); err != nil || now < after || now > last {
		t.Errorf("now is %d, %v; want up to %d", now, err, last)
	}
	for _, id := range []dispatch.NodeID{"", "plain", "a~{b}", "~a", "a~", dispatch.NodeID(strings.Repeat("a", 64) + "~" + strings.Repeat("b", 64))} {
		if _, _, err := h.store.Exchange().Beat(t.Context(), dispatch.Peer{ID: id}); err == nil {
			t.Errorf("%q is a server", id)
		}
	}
}

// while wants something to hold within a time that runs by the clock of Redis. What took
// longer on this machine says nothing, and is tried again.
func while(t *testing.T, h harness, span time.Duration, holds func() (trouble string)) {
	t.Helper()
	raw := h.all(t)
	clock := func() time.Time { return must(raw.Time(t.Context()).Result())(t) }
	eventually(t, fmt.Sprintf("something is done within %v", span), func() bool {
		began := clock()
		trouble := holds()
		if trouble == "" {
			return true
		}
		if clock().Sub(began) < span {
			t.Error(trouble)
			return true
		}
		return false
	})
}

// heard puts back when a server was heard of, by the clock it is compared with.
func heard(t *testing.T, raw redis.UniversalClient, id dispatch.NodeID, ago time.Duration) {
	t.Helper()
	_, paper, _ := strings.Cut(must(raw.HGet(t.Context(), nodesKey, string(id)).Result())(t), " ")
	seen := must(raw.Time(t.Context()).Result())(t).Add(-ago).UnixMilli()
	raw.HSet(t.Context(), nodesKey, string(id), strconv.FormatInt(seen, 10)+" "+paper)
}

func testBeatSweeps(t *testing.T, h harness) {
	a, b, raw := dispatch.Peer{ID: newNode()}, dispatch.Peer{ID: newNode()}, h.all(t)
	beat(t, h.store, b)
	while(t, h, time.Second, func() string {
		heard(t, raw, b.ID, LivesFor-time.Second)
		if _, lives := beat(t, h.store, a)[b.ID]; !lives {
			return "one heard of a second ago is dead"
		}
		return ""
	})
	for _, ago := range []time.Duration{LivesFor + 10*time.Millisecond, -LivesFor - 30*time.Second} {
		heard(t, raw, b.ID, ago)
		if _, lives := beat(t, h.store, a)[b.ID]; lives {
			t.Errorf("one heard of %v ago lives", ago)
		}
		if !must(raw.HExists(t.Context(), nodesKey, string(b.ID)).Result())(t) {
			t.Errorf("one heard of %v ago is off the list already", ago)
		}
	}
	heard(t, raw, b.ID, ListedFor+time.Millisecond)
	beat(t, h.store, a)
	if must(raw.HExists(t.Context(), nodesKey, string(b.ID)).Result())(t) {
		t.Error("one heard of a minute ago is on the list")
	}
}

func testBeatRubbish(t *testing.T, h harness) {
	a, raw, now := dispatch.Peer{ID: newNode()}, h.all(t), h.store.Clock().Now().UnixMilli()
	raw.HSet(t.Context(), nodesKey, "x", "no number", "y", fmt.Sprintf("%d {", now), "z", fmt.Sprintf(`%d {"id":"a{b}~c"}`, now))
	before := counter(t, h.store.metrics.errors, callBeat, reasonMismatch)
	if peers := beat(t, h.store, a); peers[a.ID].ID != a.ID || peers["a{b}~c"].ID != "" {
		t.Errorf("peers are %+v", peers)
	}
	if counter(t, h.store.metrics.errors, callBeat, reasonMismatch) <= before {
		t.Error("rubbish is not counted")
	}
	raw.HDel(t.Context(), nodesKey, "y", "z")
}

func testBye(t *testing.T, h harness) {
	a, b, x := dispatch.Peer{ID: newNode()}, dispatch.Peer{ID: newNode()}, h.store.Exchange()
	beat(t, h.store, b)
	if err := x.Deliver(t.Context(), b.ID, bodies("one")); err != nil {
		t.Fatal(err)
	}
	if err := x.Bye(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if _, lives := beat(t, h.store, a)[b.ID]; lives {
		t.Error("one that said bye lives")
	}
	if n := must(h.all(t).Exists(t.Context(), postKey(b.ID)).Result())(t) + must(h.all(t).Exists(t.Context(), postKey(b.ID)+":last").Result())(t); n != 0 {
		t.Error("its post box is there still")
	}
	if err := x.Bye(t.Context(), b.ID); err != nil {
		t.Error("bye twice:", err)
	}
}

func testTenures(t *testing.T, h harness) {
	free, held, given := newArea(), newArea(), newArea()
	h.writer(t, held)
	w := h.writer(t, given)
	release(t, w)
	got, err := h.store.Exchange().Tenures(t.Context(), []geo.AreaID{held, free, given, held})
	if err != nil || len(got) != 4 {
		t.Fatal(got, err)
	}
	until := must(h.all(t).HGet(t.Context(), keys{held}.lease(), "until").Int64())(t)
	if diff := cmp.Diff(dispatch.Tenure{Area: held, Node: got[0].Node, Epoch: 1, Until: dispatch.Instant(until)}, got[0]); diff != "" || !strings.HasPrefix(string(got[0].Node), "node-a") {
		t.Errorf("held by %q (-want +got):\n%s", got[0].Node, diff)
	}
	if diff := cmp.Diff([]dispatch.Tenure{{Area: free}, {Area: given, Epoch: 1}, got[0]}, got[1:]); diff != "" {
		t.Errorf("the others (-want +got):\n%s", diff)
	}
	h.all(t).HSet(t.Context(), keys{free}.lease(), "owner", "n", "node", "n~w", "epoch", "7", "until", "9", "next", "m~w", "next_until", until)
	got, err = h.store.Exchange().Tenures(t.Context(), []geo.AreaID{free})
	if diff := cmp.Diff([]dispatch.Tenure{{Area: free, Node: "n~w", Epoch: 7, Until: 9, Next: "m~w"}}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	h.all(t).HSet(t.Context(), keys{free}.lease(), "next_until", h.store.Clock().Now().UnixMilli()-1)
	got, err = h.store.Exchange().Tenures(t.Context(), []geo.AreaID{free})
	if err != nil || got[0].Next != "" {
		t.Errorf("whose turn was is told still: %+v, %v", got, err)
	}
	h.all(t).HSet(t.Context(), keys{free}.lease(), "epoch", "seven")
	if got, err := h.store.Exchange().Tenures(t.Context(), []geo.AreaID{held, free}); err == nil {
		t.Errorf("a damaged lease is read as %+v", got)
	}
	if got, err := h.store.Exchange().Tenures(t.Context(), nil); got != nil || err != nil {
		t.Error("of no area:", got, err)
	}
}

func testLetters(t *testing.T, h harness) {
	area, other := newArea(), h.peer(t, "node-b")
	if got := receive(t, h.store, area, "", 0); got != nil {
		t.Errorf("an empty inbox holds %q", words(got))
	}
	send(t, h.store, area, "one", "two\x00\xff", "")
	send(t, other, area, "four")
	got := receive(t, h.store, area, "", time.Minute)
	wantWords(t, "all", got, "one", "two\x00\xff", "", "four")
	for i := range got {
		var rest []string
		for _, l := range got[i+1:] {
			rest = append(rest, string(l.Body))
		}
		wantWords(t, "after one", receive(t, h.store, area, got[i].ID, 0), rest...)
	}
	wantWords(t, "another area", receive(t, h.store, newArea(), "", 0))
	var many []string
	for i := range dispatch.MaxLetters {
		many = append(many, strconv.Itoa(i))
	}
	send(t, h.store, area, many...)
	send(t, h.store, area, "last")
	all := receive(t, h.store, area, got[3].ID, 0)
	wantWords(t, "as many as come at once", all, many...)
	wantWords(t, "the rest", receive(t, h.store, area, all[len(all)-1].ID, 0), "last")
}

func testLetterWakes(t *testing.T, h harness) {
	area, id, other := newArea(), newNode(), h.peer(t, "node-b")
	send(t, h.store, area, "zero")
	zero := receive(t, h.store, area, "", 0)[0].ID
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() { wantWords(t, "the inbox", receive(t, h.store, area, zero, time.Hour), "one") })
	}
	readers.Go(func() {
		letters, err := h.store.Exchange().Collect(t.Context(), id, "", time.Hour)
		if err != nil {
			t.Error(err)
		}
		wantWords(t, "the post box", letters, "two")
	})
	pause(t.Context(), 20*time.Millisecond) // so that they listen, as a rule: it holds either way
	send(t, other, area, "one")
	if err := other.Exchange().Deliver(t.Context(), id, bodies("two")); err != nil {
		t.Error(err)
	}
	woken := make(chan struct{})
	go func() {
		defer close(woken)
		readers.Wait()
	}()
	select {
	case <-woken:
	case <-time.After(patience):
		t.Fatal("a reader was not woken")
	}
}

func testManySenders(t *testing.T, h harness) {
	const senders, each = 4, 60
	area := newArea()
	var all sync.WaitGroup
	for s := range senders {
		from := h.peer(t, "node-b")
		all.Go(func() {
			for i := range each {
				if err := from.Exchange().Send(t.Context(), area, bodies(fmt.Sprintf("%d %d", s, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := [senders]int{}
	var after dispatch.LetterID
	for n := 0; n < senders*each; {
		letters := receive(t, h.store, area, after, patience)
		if len(letters) == 0 {
			t.Fatal("no letter came")
		}
		for _, l := range letters {
			var s, i int
			fmt.Sscan(string(l.Body), &s, &i)
			if i != next[s] {
				t.Fatalf("letter %d of sender %d came when %d was due", i, s, next[s])
			}
			next[s]++
			n++
			after = l.ID
		}
		if err := h.store.Exchange().Discard(t.Context(), area, after); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	wantWords(t, "afterwards", receive(t, h.store, area, "", 0))
}

func testLetterLimits(t *testing.T, h harness) {
	area, x := newArea(), h.store.Exchange()
	if err := x.Send(t.Context(), area, make([][]byte, dispatch.MaxLetters+1)); err == nil {
		t.Error("too many letters")
	}
	if err := x.Send(t.Context(), area, [][]byte{make([]byte, dispatch.MaxLetter+1)}); err == nil {
		t.Error("too long a letter")
	}
	if err := x.Send(t.Context(), "No Area", bodies("one")); err == nil {
		t.Error("no area")
	}
	if err := x.Deliver(t.Context(), "a}b~c", bodies("one")); err == nil {
		t.Error("no server")
	}
	for _, id := range []dispatch.LetterID{"x", "1", "1-", "-1", "1-x", "1-2-3", "(1-1"} {
		if _, err := x.Receive(t.Context(), area, id, 0); err == nil {
			t.Errorf("after %q", id)
		}
		if err := x.Discard(t.Context(), area, id); err == nil {
			t.Errorf("up to %q", id)
		}
	}
	if err := x.Send(t.Context(), area, nil); err != nil {
		t.Error("nothing:", err)
	}
	wantWords(t, "what was refused", receive(t, h.store, area, "", 0))
	// Long letters come in portions.
	long := strings.Repeat("x", dispatch.MaxLetter)
	send(t, h.store, area, long, "and")
	for range 6 {
		send(t, h.store, area, long)
	}
	n, after := 0, dispatch.LetterID("")
	for {
		letters := receive(t, h.store, area, after, 0)
		if len(letters) == 0 {
			break
		}
		if len(letters) > 2 {
			t.Errorf("%d letters came at once", len(letters))
		}
		n += len(letters)
		after = letters[len(letters)-1].ID
	}
	if n != 8 {
		t.Errorf("%d letters came, want 8", n)
	}
}

func testBoxFull(t *testing.T, h harness) {
	area := newArea()
	raw := h.all(t)
	eventually(t, "the inbox is full", func() bool { // whatever the outcome of one Send was
		n := int(must(raw.XLen(t.Context(), keys{area}.inbox()).Result())(t))
		if n < MaxInbox {
			h.store.Exchange().Send(t.Context(), area, make([][]byte, min(dispatch.MaxLetters/4, MaxInbox-n)))
		}
		return n == MaxInbox
	})
	before := counter(t, h.store.metrics.letters, boxInbox, "refused")
	if err := h.store.Exchange().Send(t.Context(), area, bodies("one", "two")); !errors.Is(err, dispatch.ErrBoxFull) {
		t.Errorf("error is %v", err)
	}
	if got := counter(t, h.store.metrics.letters, boxInbox, "refused") - before; got != 2 {
		t.Errorf("%v letters were counted as refused", got)
	}
	if n := must(raw.XLen(t.Context(), keys{area}.inbox()).Result())(t); n != MaxInbox {
		t.Errorf("%d letters are there", n)
	}
	first := receive(t, h.store, area, "", 0)
	if err := h.store.Exchange().Discard(t.Context(), area, first[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := h.store.Exchange().Send(t.Context(), area, bodies("one", "two")); !errors.Is(err, dispatch.ErrBoxFull) {
		t.Errorf("half of them had room; error is %v", err)
	}
	send(t, h.store, area, "one")
}

func testDiscard(t *testing.T, h harness) {
	area, x := newArea(), h.store.Exchange()
	send(t, h.store, area, "one", "two", "three")
	got := receive(t, h.store, area, "", 0)
	for range 2 { // twice is once
		if err := x.Discard(t.Context(), area, got[1].ID); err != nil {
			t.Fatal(err)
		}
		wantWords(t, "what is left", receive(t, h.store, area, "", 0), "three")
		wantWords(t, "after the discarded", receive(t, h.store, area, got[1].ID, 0), "three")
	}
	if err := x.Discard(t.Context(), area, got[2].ID); err != nil {
		t.Fatal(err)
	}
	wantWords(t, "nothing", receive(t, h.store, area, "", 0))
	wantWords(t, "nothing after the last", receive(t, h.store, area, got[2].ID, 0))
	send(t, h.store, area, "four")
	wantWords(t, "after the last", receive(t, h.store, area, got[2].ID, 0), "four")
	if n := counter(t, h.store.metrics.letters, boxInbox, "reread"); n != 0 {
		t.Errorf("%v letters were read again without need", n)
	}
}

func testNextReader(t *testing.T, h harness) {
	area, next := newArea(), h.peer(t, "node-b")
	send(t, h.store, area, "one", "two", "three")
	got := receive(t, h.store, area, "", 0)
	if err := h.store.Exchange().Discard(t.Context(), area, got[0].ID); err != nil {
		t.Fatal(err)
	}
	send(t, h.store, area, "four")
	wantWords(t, "the next writer", receive(t, next, area, "", 0), "two", "three", "four")
	// The old one does not know yet, and misses nothing either.
	if err := next.Exchange().Discard(t.Context(), area, receive(t, next, area, "", 0)[2].ID); err != nil {
		t.Fatal(err)
	}
	send(t, next, area, "five")
	wantWords(t, "the old writer", receive(t, h.store, area, got[2].ID, 0), "five")
}

func testLetterUnknown(t *testing.T, h harness) {
	area := newArea()
	p := startProxy(t, h.front(t, area))
	s := h.at(t, p.through(), "node-b")
	send(t, s, area, "zero")
	lost := 0
	p.on(func(command []string, _ []byte) fate {
		if isScript(command, "inbox") && lost == 0 {
			lost++
			return fate{hangUp: true}
		}
		return fate{}
	})
	if err := s.Exchange().Send(t.Context(), area, bodies("one")); err == nil || errors.Is(err, dispatch.ErrBoxFull) {
		t.Errorf("error is %v", err)
	}
	send(t, s, area, "one")
	wantWords(t, "sent again", receive(t, h.store, area, "", 0), "zero", "one", "one")
	if n := counter(t, s.metrics.errors, callSend, reasonNetwork); n != 1 {
		t.Errorf("%v errors were counted", n)
	}
}

func testLetterMismatch(t *testing.T, h harness) {
	area := newArea()
	p := startProxy(t, h.front(t, area))
	s := h.at(t, p.through(), "node-b")
	send(t, h.store, area, "one")
	receive(t, s, area, "", 0)
	wrong := 0
	p.on(func(command []string, _ []byte) fate {
		if isScript(command, "inbox") && wrong == 0 {
			wrong++
			return fate{instead: []byte("*4\r\n$1\r\na\r\n$1\r\nb\r\n$4\r\nnext\r\n$0\r\n\r\n")}
		}
		return fate{}
	})
	before := p.dialled()
	if got, err := s.Exchange().Receive(t.Context(), area, "", 0); !errors.Is(err, errMismatch) {
		t.Errorf("letters %q, error %v", words(got), err)
	}
	wantWords(t, "afterwards", receive(t, s, area, "", 0), "one")
	if p.dialled() == before {
		t.Error("the connections out of step are used still")
	}
}

// failOver leaves an inbox as a fail-over may: without its last n letters.
func failOver(t *testing.T, h harness, area geo.AreaID, n int) {
	t.Helper()
	k, raw := keys{area}, h.all(t)
	all := must(raw.XRange(t.Context(), k.inbox(), "-", "+").Result())(t)
	kept := all[:len(all)-n]
	raw.Del(t.Context(), k.inbox(), k.inboxLast())
	for _, m := range kept {
		raw.XAdd(t.Context(), &redis.XAddArgs{Stream: k.inbox(), ID: m.ID, Values: []any{"p", m.Values["p"], "b", m.Values["b"]}})
		raw.Set(t.Context(), k.inboxLast(), m.ID, 0)
	}
}

// behind puts the clock of Redis back, as far as an inbox can tell: its letters
// take places that were taken before.
func behind(t *testing.T, h harness, area geo.AreaID, after, before string, words ...string) {
	t.Helper()
	raw, k := h.all(t), keys{area}
	last := must(raw.Get(t.Context(), k.inboxLast()).Result())(t)
	if last != after {
		t.Fatalf("the last letter is %s, want %s", last, after)
	}
	millis, count, _ := placeOf(dispatch.LetterID(after))
	for i, w := range words {
		id := fmt.Sprintf("%d-%d", millis, count+1+uint64(i))
		raw.XAdd(t.Context(), &redis.XAddArgs{Stream: k.inbox(), ID: id, Values: []any{"p", last, "b", w}})
		raw.Set(t.Context(), k.inboxLast(), id, 0)
		last = id
	}
	if before != "" && last >= before {
		t.Fatalf("the last letter is %s, want one before %s", last, before)
	}
}

func testLettersBehind(t *testing.T, h harness) {
	area := newArea()
	for _, w := range []string{"one", "two", "three"} {
		send(t, h.store, area, w)
	}
	got := receive(t, h.store, area, "", 0)
	before := counter(t, h.store.metrics.letters, boxInbox, "reread")
	failOver(t, h, area, 2)
	// Nothing new: what is there comes again, and then nothing.
	again := receive(t, h.store, area, got[2].ID, 0)
	wantWords(t, "the end is missing", again, "one")
	wantWords(t, "once more", receive(t, h.store, area, again[0].ID, 0))
	// New letters with earlier places than the last that was read.
	behind(t, h, area, string(got[0].ID), string(got[2].ID), "TWO")
	wantWords(t, "a letter before the last", receive(t, h.store, area, got[2].ID, patience), "one", "TWO")
	// And others beyond it, before the reader looked.
	send(t, h.store, area, "THREE", "FOUR")
	all := receive(t, h.store, area, got[2].ID, 0)
	wantWords(t, "letters on both sides of the last", all, "one", "TWO", "THREE", "FOUR")
	if len(all) != 4 {
		return
	}
	wantWords(t, "and on from there", receive(t, h.store, area, all[1].ID, 0), "THREE", "FOUR")
	if n := counter(t, h.store.metrics.letters, boxInbox, "reread") - before; n != 7 {
		t.Errorf("%v letters were counted as read again, want 7", n)
	}
	// Everything lost, by a reader who is waiting.
	failOver(t, h, area, 4)
	done := make(chan []dispatch.Letter, 1)
	go func() { done <- receive(t, h.store, area, all[3].ID, patience) }()
	send(t, h.peer(t, "node-b"), area, "first")
	wantWords(t, "after a loss of everything", <-done, "first")
}

func testLettersBehindDiscard(t *testing.T, h harness) {
	area := newArea()
	send(t, h.store, area, "one")
	send(t, h.store, area, "two")
	got := receive(t, h.store, area, "", 0)
	failOver(t, h, area, 1)
	behind(t, h, area, string(got[0].ID), string(got[1].ID), "TWO")
	if err := h.store.Exchange().Discard(t.Context(), area, got[1].ID); err != nil {
		t.Fatal(err)
	}
	wantWords(t, "what nobody has read", receive(t, h.store, area, got[1].ID, 0), "one", "TWO")
}

func testPostForgets(t *testing.T, h harness) {
	id, x := newNode(), h.store.Exchange()
	deliver := func(from, n int) {
		t.Helper()
		var letters []string
		for i := range n {
			letters = append(letters, strconv.Itoa(from+i))
		}
		if err := x.Deliver(t.Context(), id, bodies(letters...)); err != nil {
			t.Fatal(err)
		}
	}
	deliver(0, 1)
	first, err := x.Collect(t.Context(), id, "", 0)
	if err != nil || len(first) != 1 {
		t.Fatal(words(first), err)
	}
	before := counter(t, h.store.metrics.letters, boxPost, "forgotten")
	for n := 1; n <= MaxPost+100; n += 100 {
		deliver(n, 100)
	}
	if forgotten := counter(t, h.store.metrics.letters, boxPost, "forgotten") - before; forgotten != 105 {
		t.Errorf("%v letters were forgotten, want 105", forgotten)
	}
	after, next := first[0].ID, 105
	for next < 4201 {
		letters, err := x.Collect(t.Context(), id, after, 0)
		if err != nil || len(letters) == 0 {
			t.Fatal(words(letters), err)
		}
		for _, l := range letters {
			if string(l.Body) != strconv.Itoa(next) {
				t.Fatalf("letter %s, want %d", l.Body, next)
			}
			next++
			after = l.ID
		}
	}
	if got, err := x.Collect(t.Context(), id, after, 0); err != nil || len(got) != 0 {
		t.Error(words(got), err)
	}
	if n := must(h.all(t).XLen(t.Context(), postKey(id)).Result())(t); n > 1 {
		t.Errorf("%d collected letters are kept", n)
	}
}

func testPostLife(t *testing.T, h harness) {
	id, x, raw := newNode(), h.store.Exchange(), h.all(t)
	ttl := func() time.Duration {
		t.Helper()
		a, b := must(raw.PTTL(t.Context(), postKey(id)).Result())(t), must(raw.PTTL(t.Context(), postKey(id)+":last").Result())(t)
		if a > PostLife || b > PostLife || a <= 0 || b <= 0 {
			t.Errorf("they live for %v and %v", a, b)
		}
		return min(a, b)
	}
	deliver := func() {
		t.Helper()
		if err := x.Deliver(t.Context(), id, bodies("one")); err != nil {
			t.Fatal(err)
		}
	}
	deliver()
	if ttl() < PostLife/2 {
		t.Errorf("a new box lives for %v", ttl())
	}
	raw.PExpire(t.Context(), postKey(id), time.Minute)
	deliver()
	if ttl() > time.Minute {
		t.Error("others keep the box alive")
	}
	if _, err := x.Collect(t.Context(), id, "", 0); err != nil {
		t.Fatal(err)
	}
	if ttl() < PostLife/2 {
		t.Error("its owner does not keep the box alive")
	}
}

func testWaitEnds(t *testing.T, h harness) {
	began := time.Now()
	if got := receive(t, h.store, newArea(), "", maxListen+100*time.Millisecond); len(got) > 0 {
		t.Errorf("%q", words(got))
	}
	if took := time.Since(began); took < maxListen+90*time.Millisecond {
		t.Errorf("it ended after %v", took)
	}
}

func testWaitCancelled(t *testing.T, h harness) {
	area := newArea()
	ctx, cancel := context.WithCancel(t.Context())
	listening(t, h.store, keys{area}.inbox(), func() {
		if _, err := h.store.Exchange().Receive(ctx, area, "", time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
	}, cancel)
	area = newArea()                                  // at the other the question may still wait
	ctx, late := context.WithCancelCause(t.Context()) // as at a deadline that comes while it listens
	listening(t, h.store, keys{area}.inbox(), func() {
		if _, err := h.store.Exchange().Receive(ctx, area, "", time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
	}, func() { late(context.DeadlineExceeded) })
}

// listening runs wait, which is to listen at a box, then end, and waits for wait's end.
func listening(t *testing.T, s *Store, stream string, wait, end func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait()
	}()
	eventually(t, "somebody listens", func() bool {
		s.exchange.mu.Lock()
		defer s.exchange.mu.Unlock()
		return len(s.exchange.turns[stream]) == 1
	})
	end()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("it waits still")
	}
}

func testWaitClosed(t *testing.T, h harness) {
	area, s := newArea(), h.peer(t, "node-b")
	var took time.Duration
	listening(t, s, keys{area}.inbox(), func() {
		if _, err := s.Exchange().Receive(t.Context(), area, "", time.Hour); err == nil {
			t.Error("no error")
		}
	}, func() {
		began := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		took = time.Since(began)
	})
	if took > maxListen {
		t.Logf("it took %v", took)
	}
	if _, err := s.Exchange().Receive(t.Context(), area, "", time.Hour); err == nil {
		t.Error("no error after the end")
	}
}

func testOneListener(t *testing.T, h harness) {
	area, s := newArea(), h.peer(t, "node-b")
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 5 {
		readers.Go(func() { s.Exchange().Receive(ctx, area, "", time.Hour) })
	}
	most := 1
	if s.target.topology == cluster {
		most = 4 // some ask different nodes how the cluster stands; all five readers would be more
	}
	eventually(t, "somebody listens", func() bool { return openConns(s.exchange.patient) > 0 })
	for range 50 {
		if n := openConns(s.exchange.patient); n > most {
			t.Fatalf("%d connections wait at one box", n)
		}
		pause(t.Context(), time.Millisecond)
	}
	cancel()
	readers.Wait()
}
