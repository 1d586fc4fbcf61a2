package oracle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cuntong/chaos/history"
)

// story is a short life that is in order: a driver takes a trip to its end, and another.
func story() (history.History, []Journal) {
	j := Journal{Area: "a1"}
	add := func(line string) {
		n := uint64(len(j.Entries) + 1)
		j.Entries = append(j.Entries, Entry{Place: n, Line: fmt.Sprintf(`{"v":1,"seq":%d,"at":%d,%s}`, n, 1000*n, line)})
	}
	cause := func(by, id string) string { return fmt.Sprintf(`,"cause":{"by":{"role":"x","id":%q},"id":%q}`, by, id) }
	var h history.History
	at := time.Duration(0)
	do := func(client, role, id, kind, trip string, version int64, state string) {
		at += 10
		h.Ops = append(h.Ops, history.Op{Client: client, Role: role, Area: "a1", ID: id, Kind: kind, Trip: trip, Invoke: at, LastSent: at, Return: at + 5, Sends: 1, Outcome: history.OK, Version: version, State: state, Server: "s0"})
	}
	add(`"kind":"duty_started","body":{"driver":"d1"}` + cause("d1", "d1-1"))
	do("d1", "driver", "d1-1", "duty", "", 0, "")
	n := 1
	for _, trip := range []string{"a1.p1.1", "a1.p1.2"} {
		b := fmt.Sprintf(`"trip":%q`, trip)
		add(`"kind":"trip_requested","body":{` + b + `}` + cause("p1", trip))
		do("p1", "passenger", trip, "request", trip, 1, "requested")
		add(`"kind":"offer_made","body":{` + b + `,"driver":"d1","offer":"` + trip + `/1","until":99000}`)
		for i, step := range [][3]string{{"accept", "trip_assigned", "assigned"}, {"arrive", "driver_arrived", "arrived"}, {"start", "ride_started", "riding"}, {"complete", "trip_completed", "completed"}} {
			n++
			id := fmt.Sprint("d1-", n)
			add(`"kind":"` + step[1] + `","body":{` + b + `}` + cause("d1", id))
			do("d1", "driver", id, step[0], trip, int64(3+i), step[2])
			h.Sights = append(h.Sights, history.Sight{At: at, Client: "p1", Via: "trip", Trip: trip, Version: int64(3 + i), State: step[2], Server: "s0"})
		}
	}
	return h, []Journal{j}
}

func TestAStoryInOrderBreaksNothing(t *testing.T) {
	h, journals := story()
	v := Judge(h, journals)
	if v.Findings.Total() != 0 {
		t.Fatalf("%v: %v", v.Findings.String(), v.Findings.First)
	}
	if v.Trips != 2 || v.Done != 11 || v.Partitions != 3 {
		t.Fatalf("%+v", v)
	}
}

// line replaces a piece of an entry's text.
func line(journals []Journal, i int, old, new string) {
	e := &journals[0].Entries[i]
	if !strings.Contains(e.Line, old) {
		panic("no " + old + " in " + e.Line)
	}
	e.Line = strings.Replace(e.Line, old, new, 1)
}

func TestEveryRuleIsBrokenOnce(t *testing.T) {
	kit := func(kind, body string) func([]Journal) []Journal {
		return func(js []Journal) []Journal {
			n := uint64(len(js[0].Entries) + 1)
			js[0].Entries = append(js[0].Entries, Entry{n, fmt.Sprintf(`{"v":1,"seq":%d,"at":%d,"kind":%q,"body":%s}`, n, 1000*n, kind, body)})
			return js
		}
	}
	all := func(steps ...func([]Journal) []Journal) func(*history.History, []Journal) []Journal {
		return func(_ *history.History, js []Journal) []Journal {
			for _, step := range steps {
				js = step(js)
			}
			return js
		}
	}
	second := Journal{Area: "a2", Entries: []Entry{{1, `{"v":1,"seq":1,"at":2000,"kind":"duty_started","body":{"driver":"d1"}}`}}}
	for rule, damage := range map[string]func(*history.History, []Journal) []Journal{
		RuleTwoRides: all(kit("trip_requested", `{"trip":"x"}`), kit("trip_requested", `{"trip":"y"}`),
			kit("offer_made", `{"trip":"x","driver":"d1"}`), kit("offer_made", `{"trip":"y","driver":"d1"}`)),
		RuleTwoAreas: func(_ *history.History, js []Journal) []Journal { return append(js, second) },
		RuleLostTrip: func(_ *history.History, js []Journal) []Journal { js[0].Entries = js[0].Entries[:7]; return js },
		RuleForgotten: func(_ *history.History, js []Journal) []Journal {
			js[0].Entries = js[0].Entries[:12]
			return js
		},
		RuleTwice: func(_ *history.History, js []Journal) []Journal { line(js, 4, "d1-3", "d1-2"); return js },
		RuleRefused: func(h *history.History, js []Journal) []Journal {
			h.Ops[10].Outcome, h.Ops[10].Code = history.Refused, "not_riding"
			return js
		},
		RuleSequence: func(_ *history.History, js []Journal) []Journal {
			js[0].Entries = append(js[0].Entries[:3:3], js[0].Entries[4:]...)
			return js
		},
		RuleLife: all(kit("ride_started", `{"trip":"a1.p1.2"}`)),
		RuleBackwards: func(h *history.History, js []Journal) []Journal {
			h.Sights = append(h.Sights, history.Sight{Client: "p1", Via: "truth", Trip: "a1.p1.1", Version: 4, State: "arrived"})
			return js
		},
		RuleTrip: func(h *history.History, js []Journal) []Journal { h.Ops[3].Version, h.Ops[4].Version = 5, 4; return js },
		RuleDriver: func(h *history.History, js []Journal) []Journal {
			h.Looks = append(h.Looks, history.Look{Client: "d1", Invoke: 200, Return: 210, Trip: "a1.p1.1"})
			return js
		},
		RuleTransfer: all(kit("driver_released", `{"driver":"d1","to":"a2","transfer":5}`)),
		RuleDeadline: all(kit("trip_requested", `{"trip":"x"}`), kit("offer_made", `{"trip":"x","driver":"d1","until":999999}`), kit("offer_closed", `{"trip":"x","end":"lapsed"}`)),
	} {
		t.Run(rule, func(t *testing.T) {
			h, journals := story()
			journals = damage(&h, journals)
			v := Judge(h, journals)
			if v.Findings.Count[rule] == 0 {
				t.Fatalf("found only: %v: %v", v.Findings.String(), v.Findings.First)
			}
		})
	}
}

// An answer that never came leaves everything possible that could have happened.
func TestUnknownStaysOpen(t *testing.T) {
	h, journals := story()
	for i := range h.Ops {
		if h.Ops[i].Kind == "accept" || h.Ops[i].Kind == "complete" {
			h.Ops[i].Outcome, h.Ops[i].Return = history.Unknown, 0
		}
	}
	if v := Judge(h, journals); v.Findings.Total() != 0 {
		t.Fatalf("%v: %v", v.Findings.String(), v.Findings.First)
	}
}

// A driver who is handed over and back is in one area at a time, and his ride there is
// as good as any.
func TestHandedOver(t *testing.T) {
	lines := func(area string, text ...string) Journal {
		j := Journal{Area: area}
		for i, s := range text {
			j.Entries = append(j.Entries, Entry{uint64(i + 1), fmt.Sprintf(`{"v":1,"seq":%d,%s}`, i+1, s)})
		}
		return j
	}
	journals := []Journal{
		lines("a1", `"at":1000,"kind":"duty_started","body":{"driver":"d1"}`,
			`"at":2000,"kind":"driver_released","body":{"driver":"d1","to":"a2","transfer":2000}`,
			`"at":2200,"kind":"transfer_settled","body":{"to":"a2","transfer":2000}`,
			`"at":9000,"kind":"driver_admitted","body":{"driver":"d1","from":"a2","transfer":8900}`),
		lines("a2", `"at":2100,"kind":"driver_admitted","body":{"driver":"d1","from":"a1","transfer":2000}`,
			`"at":3000,"kind":"trip_requested","body":{"trip":"x"}`, `"at":3100,"kind":"offer_made","body":{"trip":"x","driver":"d1"}`,
			`"at":3200,"kind":"trip_cancelled","body":{"trip":"x"}`,
			`"at":8900,"kind":"driver_released","body":{"driver":"d1","to":"a1","transfer":8900}`),
	}
	if v := Judge(history.History{}, journals); v.Findings.Total() != 0 || v.Transfers != 2 {
		t.Fatalf("%d transfers; %v: %v", v.Transfers, v.Findings.String(), v.Findings.First)
	}
	// Admitted a second time, as if the number of the transfer meant nothing.
	journals[1].Entries = append(journals[1].Entries, Entry{6, strings.Replace(strings.Replace(journals[1].Entries[0].Line, `"seq":1,`, `"seq":6,`, 1), "2100", "9500", 1)},
		Entry{7, `{"v":1,"seq":7,"at":12000,"kind":"transfer_settled","body":{"to":"a1","transfer":8900}}`})
	if v := Judge(history.History{}, journals); v.Findings.Count[RuleTransfer] == 0 || v.Findings.Count[RuleTwoAreas] == 0 {
		t.Fatalf("found only: %v", v.Findings.String())
	}
}

func TestPercentile(t *testing.T) {
	values := []time.Duration{4, 1, 3, 2}
	for share, want := range map[float64]time.Duration{0.25: 1, 0.5: 2, 0.99: 4} {
		if got := Percentile(values, share); got != want {
			t.Errorf("%v of %v is %v, want %v", share, values, got, want)
		}
	}
}

func TestGapsAndSilence(t *testing.T) {
	op := func(trip, server string, invoke, last, ret time.Duration, sends int) history.Op {
		return history.Op{Kind: "arrive", Trip: trip, Server: server, Invoke: invoke, LastSent: last, Return: ret, Sends: sends, Outcome: history.OK}
	}
	h := history.History{Ops: []history.Op{
		op("a1.x.1", "s0", 0, 0, 10, 1), op("a1.x.2", "s0", 12, 12, 21, 1), // told by the dying s0
		op("a1.x.3", "s1", 15, 40, 50, 3), op("a1.x.4", "s1", 18, 18, 52, 1), op("a2.x.1", "s1", 22, 22, 30, 1), op("a2.x.2", "s1", 31, 31, 60, 1),
	}}
	if got := Gap(h, 20, 60); got != 35 {
		t.Errorf("gap %d", got)
	}
	if got, ok := Takeover(h, 20, "a1", "s0"); !ok || got != 30 {
		t.Errorf("take-over %d, %t", got, ok)
	}
	if _, ok := Takeover(h, 70, "a1", "s0"); ok {
		t.Error("a take-over after the end")
	}
	if got := Handover(h, 20, 60, "a1", "s0"); got != 34 { // who reconnected does not count
		t.Errorf("hand-over %d", got)
	}
	if got := Silence(h, 20, 61, []string{"a1", "a2"}); got != 30 {
		t.Errorf("silence %d", got)
	}
}
