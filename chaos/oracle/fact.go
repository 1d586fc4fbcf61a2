package oracle

import (
	"encoding/json"
	"fmt"
)

// Entry is one entry of a journal as Redis holds it.
type Entry struct {
	Place uint64 // the sequence that its stream id names
	Line  string
}

// Journal is every fact of an area from the first on, as the ledger holds it in the end.
type Journal struct {
	Area    string
	Entries []Entry
	// Rewritten counts entries that were read twice and differed: a tail that was lost
	// and written anew. It is no violation by itself; telling somebody of it first is.
	Rewritten int
	// Broken says what about the journal as a whole is wrong; empty: nothing.
	Broken string
}

// cause is the command that brought a fact about.
type cause struct {
	By struct {
		Role string `json:"role"`
		ID   string `json:"id"`
	} `json:"by"`
	ID string `json:"id"`
}

// fact is a line of a journal, with the members of all the bodies that matter here.
type fact struct {
	Format int    `json:"v"`
	Seq    uint64 `json:"seq"`
	At     int64  `json:"at"`
	Kind   string `json:"kind"`
	Body   struct {
		Trip     string `json:"trip"`
		Driver   string `json:"driver"`
		Offer    string `json:"offer"`
		Until    int64  `json:"until"`
		Confirm  int64  `json:"confirm"`
		End      string `json:"end"`
		Deadline int64  `json:"deadline"`
		Version  int64  `json:"version"`
		State    string `json:"state"`
		To       string `json:"to"`
		From     string `json:"from"`
		Transfer uint64 `json:"transfer"`
	} `json:"body"`
	Cause *cause `json:"cause"`
}

// decode reads an entry, and says what is wrong with it.
func decode(e Entry) (fact, error) {
	var f fact
	if err := json.Unmarshal([]byte(e.Line), &f); err != nil {
		return f, fmt.Errorf("entry %d cannot be read: %w", e.Place, err)
	}
	if f.Seq != e.Place {
		return f, fmt.Errorf("entry %d holds fact %d", e.Place, f.Seq)
	}
	if _, known := kinds[f.Kind]; !known {
		return f, fmt.Errorf("entry %d is of kind %q, which the oracle does not know", e.Place, f.Kind)
	}
	return f, nil
}

// kinds are the facts the oracle knows, and the state each takes its trip to. A star
// keeps the state; an empty one is not about a trip.
var kinds = map[string]string{
	"duty_started": "", "duty_ended": "", "road_changed": "", "road_restored": "",
	"driver_released": "", "transfer_settled": "", "driver_admitted": "", "offer_delivered": "",
	"trip_requested": "requested", "offer_made": "offered", "offer_closed": "requested", "trip_parked": "parked",
	"trip_assigned": "assigned", "driver_arrived": "arrived", "ride_started": "riding", "trip_completed": "completed",
	"trip_released": "requested", "trip_overdue": "*", "trip_retimed": "*", "trip_cancelled": "cancelled",
	"trip_unserved": "unserved", "trip_recovered": "*",
}

// mayBecome is the life of a trip as docs/PROTOCOL.md tells it.
var mayBecome = map[string][]string{
	"":          {"requested"},
	"requested": {"offered", "parked", "cancelled", "unserved"},
	"offered":   {"assigned", "requested", "cancelled"},
	"parked":    {"offered", "parked", "cancelled", "unserved"},
	"assigned":  {"arrived", "requested", "cancelled"},
	"arrived":   {"riding", "requested", "cancelled"},
	"riding":    {"completed", "cancelled"},
}

func isOpen(state string) bool { return len(mayBecome[state]) > 0 && state != "" }

func hasDriver(state string) bool {
	return state == "assigned" || state == "arrived" || state == "riding"
}
