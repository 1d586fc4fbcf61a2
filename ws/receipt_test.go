package ws

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

func secretOf(word string) Key {
	key, err := ParseKey([]byte(strings.Repeat(word+" ", 20)))
	if err != nil {
		panic(err)
	}
	return key
}

func sealerOf(keys ...Key) *sealer {
	s := &sealer{}
	s.use(keys)
	return s
}

var assigned = areaReceipt{leishan, dispatch.Receipt{Trip: "t1", Version: 3, State: dispatch.Assigned, Driver: "d1", At: outNow}}

func TestReceiptThereAndBack(t *testing.T) {
	s := sealerOf(secretOf("old"))
	text := s.give(passenger, assigned)
	if got, result := s.take(passenger, text); got != assigned || result != receiptTaken {
		t.Errorf("%+v %s, want %+v", got, result, assigned)
	}
	if again := s.give(passenger, assigned); again != text {
		t.Error("the same receipt twice is not the same")
	}
	longest := areaReceipt{geo.AreaID(strings.Repeat("a", 32)), dispatch.Receipt{Trip: dispatch.TripID(strings.Repeat("t", 64)),
		Version: 1<<32 - 1, State: dispatch.Unserved, Driver: dispatch.DriverID(strings.Repeat("d", 64)), At: 1<<63 - 1}}
	text = s.give(driver1, longest)
	if got, _ := s.take(driver1, text); got != longest || len(text) > wire.MaxReceiptBytes {
		t.Errorf("%d characters: %+v", len(text), got)
	}
}

func TestReceiptsThatAreNotTaken(t *testing.T) {
	old, young := secretOf("old"), secretOf("young")
	text := sealerOf(old).give(passenger, assigned)
	raw, _ := base64.RawURLEncoding.DecodeString(text)
	for i := range raw {
		bent := slices.Clone(raw)
		bent[i] ^= 1
		if _, result := sealerOf(old).take(passenger, base64.RawURLEncoding.EncodeToString(bent)); result == receiptTaken {
			t.Errorf("taken with byte %d bent", i)
		}
	}
	for _, c := range []struct {
		what   string
		keys   []Key
		by     dispatch.Actor
		text   string
		result string
	}{
		{"its own", []Key{old}, passenger, text, receiptTaken},
		{"the secret is still in use", []Key{young, old}, passenger, text, receiptTaken},
		{"the secret is out of use", []Key{young}, passenger, text, receiptSeal},
		{"somebody else's", []Key{old}, agent, text, receiptSeal},
		{"somebody else's of the same role", []Key{old}, dispatch.Actor{Role: passenger.Role, ID: "p2"}, text, receiptSeal},
		{"somebody else's of the same name", []Key{old}, dispatch.Actor{Role: dispatch.RoleDriver, ID: passenger.ID}, text, receiptSeal},
		{"no secret at all", nil, passenger, text, receiptSeal},
		{"empty", []Key{old}, passenger, "", receiptUnreadable},
		{"cut off", []Key{old}, passenger, text[:len(text)-4], receiptUnreadable},
		{"a word", []Key{old}, passenger, "hello", receiptUnreadable},
		{"not base64url", []Key{old}, passenger, "+/+/" + text, receiptUnreadable},
	} {
		if _, result := sealerOf(c.keys...).take(c.by, c.text); result != c.result {
			t.Errorf("%s: %s, want %s", c.what, result, c.result)
		}
	}
}

// A token is sealed with the same secret, and is no receipt.
func TestReceiptsAreNotTokens(t *testing.T) {
	key := secretOf("one")
	token, err := Mint(key, claimsOf(passenger), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s := sealerOf(key)
	for _, part := range append(strings.Split(token, "."), token) {
		if _, result := s.take(passenger, part); result == receiptTaken {
			t.Errorf("%q is taken", part)
		}
	}
	if string(s.keys[0]) == string(key.secret) {
		t.Error("one secret seals both")
	}
}

func FuzzReceipt(f *testing.F) {
	f.Add(appendReceipt(nil, assigned))
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, plain []byte) {
		r, err := readReceipt(plain)
		if err != nil {
			return
		}
		if again := appendReceipt(nil, r); !slices.Equal(again, plain) {
			t.Errorf("%x reads as %+v, which is %x", plain, r, again)
		}
	})
}

func FuzzTakeReceipt(f *testing.F) {
	s := sealerOf(secretOf("one"))
	good := s.give(passenger, assigned)
	f.Add(good)
	f.Add(good[1:])
	f.Fuzz(func(t *testing.T, text string) {
		if _, result := s.take(passenger, text); result == receiptTaken && strings.NewReplacer("\r", "", "\n", "").Replace(text) != good {
			t.Errorf("%q was never given", text)
		}
	})
}

// Who gets a receipt, trip by trip and state by state.
func TestWhoGetsReceipts(t *testing.T) {
	w := newWorld(t)
	traveller := dispatch.Actor{Role: dispatch.RolePassenger, ID: "p1"}
	other := dispatch.Actor{Role: dispatch.RoleDriver, ID: "d2"}
	for _, who := range []dispatch.Actor{agent, traveller, driver1, other, operator} {
		p := w.connect(who)
		for _, state := range []dispatch.State{dispatch.Parked, dispatch.Riding, dispatch.Completed} {
			trip := fullTrip(state)
			if state == dispatch.Parked {
				trip.Driver = ""
			}
			w.area.tell(who, dispatch.TripTold{Trip: trip})
			got := p.want(wire.TypeTrip).Body.(wire.Trip).Receipt
			if want := who == agent || who == traveller || who == driver1 && state != dispatch.Parked; (got != "") != want {
				t.Errorf("%v, %s: receipt %q, want one: %v", who, state, got, want)
			}
			if got == "" {
				continue
			}
			r, result := w.hub.sealer.take(who, got)
			if result != receiptTaken || r.area != leishan || r.Trip != "t1" || r.Version != 4 || r.State != state || r.Driver != trip.Driver || r.At == 0 {
				t.Errorf("%s %+v", result, r)
			}
		}
		w.area.tell(operator, dispatch.BoardTold{Board: dispatch.Board{Waiting: []dispatch.TripView{fullTrip(dispatch.Parked)}}})
	}
}

// A truth gives a receipt with each trip; they are given back, and go on to the area
// with the first hello, with those that repeat it, and with a refresh.
func TestReceiptsComeBack(t *testing.T) {
	inFakeTime(t, func(w *world) {
		mine := fullTrip(dispatch.Assigned)
		foreign := fullTrip(dispatch.Assigned)
		foreign.ID, foreign.Order.Booker, foreign.Order.Traveller.ID = "t0", agent, ""
		ended := fullTrip(dispatch.Completed)
		ended.ID = "t2"
		p := w.connect(passenger)
		w.hub.Refresh(leishan)
		w.area.set(func(a *fakeArea) { a.truth = []dispatch.TripView{foreign, mine, ended} })
		later(2 * time.Second)
		var given []string
		for _, trip := range p.want(wire.TypeTruth).Body.(wire.Truth).Trips {
			given = append(given, trip.Receipt)
		}
		if len(given) != 2 || given[0] == "" || given[1] == "" {
			t.Fatalf("receipts %q, want one for each of his two trips", given)
		}
		p.hangUp()
		later(time.Second)

		w.area.set(func(a *fakeArea) { a.inputs, a.mute = nil, true })
		p = w.dial(w.tokenFor(claimsOf(passenger), 3*time.Hour))
		p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli(), Receipts: append(given, "nonsense", strings.Repeat("A", 200))})
		p.want(wire.TypeWelcome)
		later(4 * time.Second)
		hellos := w.area.got()
		if len(hellos) < 2 {
			t.Fatalf("%d hellos, want it repeated", len(hellos))
		}
		for _, in := range hellos {
			if got := receiptTrips(in); got != "t1 assigned, t2 completed" {
				t.Errorf("a hello with %q", got)
			}
		}
		w.area.set(func(a *fakeArea) { a.inputs, a.mute, a.truth = nil, false, nil })
		w.hub.Refresh(leishan)
		later(2 * time.Second)
		riding := mine
		riding.Version, riding.State = 6, dispatch.Riding
		w.area.tell(passenger, dispatch.TripTold{Trip: riding})
		later(59 * time.Minute)
		w.area.set(func(a *fakeArea) { a.inputs = nil })
		w.hub.Refresh(leishan)
		later(2 * time.Second)
		if got := receiptTrips(w.area.got()[0]); got != "t2 completed, t1 riding" {
			t.Errorf("after an hour a hello with %q: what he was told since belongs to it", got)
		}
		later(2 * time.Minute)
		w.hub.Refresh(leishan)
		later(2 * time.Second)
		if got := receiptTrips(w.area.got()[1]); got != "t1 riding" {
			t.Errorf("a hello with %q: the one that ended an hour ago is of no use", got)
		}
		for result, want := range map[string]float64{receiptTaken: 2, receiptUnreadable: 2} {
			if got := w.counted(w.hub.metrics.receipts.WithLabelValues(result)); got != want {
				t.Errorf("%v %s, want %v", got, result, want)
			}
		}
	})
}

func receiptTrips(in dispatch.Input) string {
	hello, ok := in.(dispatch.Hello)
	if !ok {
		return fmt.Sprintf("%T", in)
	}
	var words []string
	for _, r := range hello.Receipts {
		words = append(words, string(r.Trip)+" "+string(r.State))
	}
	return strings.Join(words, ", ")
}

// Receipts of a trip in the area to which a driver is lent wait until he is there.
func TestReceiptsOfALentDriver(t *testing.T) {
	w, there := newTwoAreas(t)
	r := assigned
	r.area = kaili
	w.area.set(func(a *fakeArea) { a.before = []dispatch.NoticeBody{elsewhere(kaili)} })
	p := w.dial(w.token(driver1))
	p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli(), Receipts: []string{w.hub.sealer.give(driver1, r)}})
	p.want(wire.TypeWelcome)
	p.want(wire.TypeTruth)
	if got := receiptTrips(w.area.got()[0]); got != "" {
		t.Errorf("where he was: %q", got)
	}
	if got := receiptTrips(there.got()[0]); got != "t1 assigned" {
		t.Errorf("where he is: %q", got)
	}
	if got := w.counted(w.hub.metrics.receipts.WithLabelValues(receiptElsewhere)); got != 1 {
		t.Errorf("counted %v", got)
	}
}

// The receipts of a connection are bounded; those of trips that have ended go first.
func TestKeptReceiptsAreBounded(t *testing.T) {
	var k kept
	for i := range keptReceipts + 1 {
		r := assigned
		r.Trip = dispatch.TripID(fmt.Sprint("t", i))
		if i == 5 {
			r.State = dispatch.Completed
		}
		k.keep(r)
	}
	older := assigned
	older.Trip, older.Version = "t7", 2
	k.keep(older)
	k.keep(areaReceipt{leishan, dispatch.Receipt{Trip: "new", Version: 1, State: dispatch.Parked}})
	got := k.of(leishan, outNow)
	if len(got) != keptReceipts {
		t.Fatalf("%d kept", len(got))
	}
	for _, r := range got {
		if r.Trip == "t5" || r.Trip == "t0" || r.Trip == "t7" && r.Version != 3 {
			t.Errorf("kept %+v", r)
		}
	}
}

func BenchmarkReceipt(b *testing.B) {
	s := sealerOf(secretOf("one"))
	b.ReportAllocs()
	for b.Loop() {
		s.give(passenger, assigned)
	}
}

// What an area told before its driver was lent is a receipt of that area, whenever it is written.
func TestReceiptOfTheAreaThatTold(t *testing.T) {
	w, _ := newTwoAreas(t)
	p := w.connect(driver1)
	c := w.hub.directory.find(driver1, nil)[0]
	w.area.tell(driver1, elsewhere(kaili))
	p.want(wire.TypeTruth)
	trip := fullTrip(dispatch.Assigned)
	f, ok := c.toFrame(told{body: dispatch.TripTold{Trip: trip}, area: leishan})
	if r, _ := w.hub.sealer.take(driver1, f.Body.(wire.Trip).Receipt); !ok || r.area != leishan {
		t.Errorf("a receipt of %q, want that of the area that told it", r.area)
	}
}

// A trip that the area has lost, by a receipt, is made known to the phone that gave it,
// and its receipt goes no further.
func TestLostTripIsMadeKnown(t *testing.T) {
	w := newWorld(t)
	receipt := w.hub.sealer.give(passenger, assigned)
	w.area.set(func(a *fakeArea) {
		a.before = []dispatch.NoticeBody{dispatch.Refused{Trip: "t1", Refusal: dispatch.Refusal{Kind: dispatch.NotFound, Code: "trip_unknown", Say: "Lost."}}}
	})
	p := w.dial(w.token(passenger))
	p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli(), Receipts: []string{receipt}})
	p.want(wire.TypeWelcome)
	if lost := p.wantRefused("", "trip_unknown"); lost.Trip != "t1" {
		t.Errorf("refused %+v", lost)
	}
	p.want(wire.TypeTruth)
	w.area.set(func(a *fakeArea) { a.inputs, a.before = nil, nil })
	w.area.tell(passenger, dispatch.Refused{Trip: "t1", Refusal: dispatch.Refusal{Kind: dispatch.NotFound, Code: "trip_unknown", Say: "Somebody else asked."}})
	p.quiet()
	w.hub.Refresh(leishan)
	p.want(wire.TypeTruth)
	if got := receiptTrips(w.area.got()[0]); got != "" {
		t.Errorf("the receipt of a lost trip was given again: %q", got)
	}
}
