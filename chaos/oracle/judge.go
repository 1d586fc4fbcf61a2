package oracle

import "cuntong/chaos/history"

// Verdict is what came of one run.
type Verdict struct {
	Findings   Findings `json:"findings"`
	Trips      int      `json:"trips"`      // completed, by the ledger
	Commands   int      `json:"commands"`   // given
	Done       int      `json:"done"`       // acknowledged
	Refused    int      `json:"refused"`    // for good
	Unknown    int      `json:"unknown"`    // never answered
	Repeated   int      `json:"repeated"`   // sent more than once
	Sights     int      `json:"sights"`     // looks at trips that were held against the ledger
	Late       int      `json:"late"`       // frames older than what their reader knew
	Partitions int      `json:"partitions"` // trips and drivers whose order was checked
	Facts      int      `json:"facts"`
	Rewritten  int      `json:"rewritten"` // entries that were lost and written anew
	Transfers  int      `json:"transfers"` // drivers handed from one area to another
	Recovered  int      `json:"recovered"` // trips put right by a phone's receipt
}

// Judge holds what the clients lived through against what the ledger holds in the
// end. All faults must have been mended, and the clients have come to rest.
func Judge(h history.History, journals []Journal) Verdict {
	v := Verdict{Commands: len(h.Ops), Sights: len(h.Sights)}
	for _, op := range h.Ops {
		switch op.Outcome {
		case history.OK:
			v.Done++
		case history.Refused:
			v.Refused++
		default:
			v.Unknown++
		}
		if op.Sends > 1 {
			v.Repeated++
		}
	}
	for _, j := range journals {
		v.Facts += len(j.Entries)
		v.Rewritten += j.Rewritten
	}
	l := fold(journals, &v.Findings)
	v.Trips, v.Transfers, v.Recovered = l.completed, len(l.admitted), l.recovered
	l.checkAnswers(h)
	l.checkSights(h)
	l.checkEnds(h)
	v.Late = checkBackwards(h, &v.Findings)
	v.Partitions = checkOrders(h, &v.Findings)
	return v
}
