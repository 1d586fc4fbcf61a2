package oracle

import (
	"cuntong/chaos/history"
)

// mutating are the commands that a done without a fact would belie, unless things were
// so already.
var mutating = map[string]bool{"request": true, "accept": true, "decline": true}

// checkAnswers holds every answer against the ledger.
func (l *ledger) checkAnswers(h history.History) {
	for _, op := range h.Ops {
		_, recorded := l.causes[op.Client+"/"+op.ID]
		switch {
		case op.Outcome == history.Refused && recorded && op.Sends == 1 && !op.Shaky:
			l.found.add(RuleRefused, "%s %s of trip %s by %s was refused (%s) and is %s", op.Kind, op.ID, op.Trip, op.Client, op.Code, l.causes[op.Client+"/"+op.ID])
		case op.Outcome != history.OK:
		case op.Trip == "":
			if !recorded && op.Kind == "duty" && len(l.stays[op.Client]) == 0 {
				l.found.add(RuleForgotten, "duty %s of %s was done at %v and is in no journal", op.ID, op.Client, op.Return)
			}
		default:
			l.checkDone(op, recorded)
		}
	}
}

// checkDone holds the done of a command about a trip against the trip.
func (l *ledger) checkDone(op history.Op, recorded bool) {
	t := l.trips[op.Trip]
	if t == nil {
		l.found.add(RuleLostTrip, "%s of trip %s by %s was done at %v, and the ledger has no such trip", op.Kind, op.Trip, op.Client, op.Return)
		return
	}
	if !recorded && mutating[op.Kind] {
		l.found.add(RuleForgotten, "%s %s of trip %s by %s was done at %v and is in no journal", op.Kind, op.ID, op.Trip, op.Client, op.Return)
	}
	then, known := t.versions[op.Version]
	switch {
	case !known:
		l.found.add(RuleForgotten, "%s of trip %s by %s was done as version %d (%s) at %v; the ledger's last is %d (%s)", op.Kind, op.Trip, op.Client, op.Version, op.State, op.Return, t.version, t.now.state)
	case then.state != op.State:
		l.found.add(RuleForgotten, "%s of trip %s by %s was done as version %d (%s) at %v; in the ledger that is %s", op.Kind, op.Trip, op.Client, op.Version, op.State, op.Return, then.state)
	case op.Kind == "accept" && then.driver != op.Client:
		l.found.add(RuleForgotten, "trip %s was accepted by %s as version %d at %v; in the ledger it is %q's then", op.Trip, op.Client, op.Version, op.Return, then.driver)
	}
}

// checkSights holds everything that anybody was told against the ledger.
func (l *ledger) checkSights(h history.History) {
	for _, s := range h.Sights {
		t := l.trips[s.Trip]
		if t == nil {
			l.found.add(RuleForgotten, "%s was told (%s) of trip %s version %d (%s) at %v by %s, and the ledger has no such trip", s.Client, s.Via, s.Trip, s.Version, s.State, s.At, s.Server)
			continue
		}
		then, known := t.versions[s.Version]
		switch {
		case !known:
			l.found.add(RuleForgotten, "%s was told (%s) of trip %s version %d (%s) at %v by %s; the ledger's last is %d (%s)", s.Client, s.Via, s.Trip, s.Version, s.State, s.At, s.Server, t.version, t.now.state)
		case then.state != s.State:
			l.found.add(RuleForgotten, "%s was told (%s) that version %d of trip %s is %s at %v by %s; in the ledger it is %s", s.Client, s.Via, s.Version, s.Trip, s.State, s.At, s.Server, then.state)
		case s.Driver != "" && then.driver != s.Driver:
			l.found.add(RuleForgotten, "%s was told (%s) that version %d of trip %s is %s's at %v by %s; in the ledger it is %q's", s.Client, s.Via, s.Version, s.Trip, s.Driver, s.At, s.Server, then.driver)
		}
	}
}

// checkBackwards: a truth never shows a trip older than the client has seen it. Other
// frames may come late around a reconnect, and the protocol says to pass over them.
func checkBackwards(h history.History, found *Findings) (late int) {
	newest := map[string]int64{}
	for _, s := range h.Sights {
		key := s.Client + "/" + s.Trip
		if s.Version < newest[key] {
			if s.Via == "truth" {
				found.add(RuleBackwards, "%s saw trip %s at version %d, and at %v the truth by %s shows version %d (%s)", s.Client, s.Trip, newest[key], s.At, s.Server, s.Version, s.State)
			} else {
				late++
			}
		}
		if s.Via != "done" { // what it says was so when it took effect
			newest[key] = max(newest[key], s.Version)
		}
	}
	return late
}

// checkEnds: every acknowledged trip has ended; the run has waited for that.
func (l *ledger) checkEnds(h history.History) {
	for _, op := range h.Ops {
		if op.Kind != "request" || op.Outcome != history.OK {
			continue
		}
		if t := l.trips[op.Trip]; t != nil && isOpen(t.now.state) {
			l.found.add(RuleLostTrip, "trip %s of %s is still %s (version %d) after the run has waited for it", op.Trip, op.Client, t.now.state, t.version)
		}
	}
}
