package dispatch

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"cuntong/geo"
)

// StartCodeRule says for which trips the driver needs a start code: four digits that the
// party tells him, so that he drives those who booked and nobody else.
type StartCodeRule string

// The rules.
const (
	StartCodeOff StartCodeRule = "off" // for none
	StartCodeApp StartCodeRule = "app" // for those booked by app
	StartCodeAll StartCodeRule = "all" // for all
)

// maxCodeTries is how many wrong codes a trip bears; then only an operator starts it.
// One in two thousand who guesses gets in.
const maxCodeTries = 5

// StartCodes returns how the start codes of an area are made: by HMAC-SHA256 (RFC 2104)
// from the server's secret, so that nobody can work them out from what he knows. What a
// trip's is stands in its first fact.
func StartCodes(secret []byte, area geo.AreaID) func(TripID) string {
	return func(trip TripID) string {
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "start code|%s|%s", area, trip)
		return fmt.Sprintf("%04d", binary.BigEndian.Uint64(mac.Sum(nil))%10_000)
	}
}

// MakeCodes sets how start codes are made. It is called before the first Apply; without
// it no trip has one.
func (c *Core) MakeCodes(of func(TripID) string) { c.codes = of }

// startCode is the code of a trip that is being asked for; empty: it needs none.
func (c *Core) startCode(trip TripID, o Order) string {
	wanted := c.rules.StartCode == StartCodeAll || c.rules.StartCode == StartCodeApp && o.Channel == ChannelApp
	if !wanted || c.codes == nil || !c.rules.atCodeHours(o.PickupWindow.From) {
		return ""
	}
	return c.codes(trip)
}

// atCodeHours says whether a party that is fetched at a moment needs a code.
func (r Rules) atCodeHours(at Instant) bool {
	if r.StartCodeFrom == r.StartCodeUntil {
		return true
	}
	const day = 24 * 60
	local := at.Time().Add(time.Duration(r.StartCodeZone) * time.Minute)
	minute := local.Hour()*60 + local.Minute()
	return (minute-r.StartCodeFrom+day)%day < (r.StartCodeUntil-r.StartCodeFrom+day)%day
}

// StartMissed: a driver gave a wrong code. It is a fact so that nobody has more tries
// because a server was restarted.
type StartMissed struct {
	Trip TripID `json:"trip"`
	// Sum is that of the command: the same one, come twice, is one try.
	Sum uint64 `json:"sum,string"`
}

func (StartMissed) kind() string { return "start_missed" }

// wrongCode says why a start is refused for its code, and what is to be recorded of that.
func wrongCode(t *Trip, in Start) ([]FactBody, *Refusal) {
	wrong := refuse(Forbidden, "wrong_code", "This is not the code of this party. Ask again, and whether they booked.")
	sum := sumOf(in)
	switch {
	case t.StartCode == "" || in.By.Role == RoleOperator:
		return nil, nil
	case slices.Contains(t.Missed, codeSum(sum)):
		return nil, wrong
	case len(t.Missed) >= maxCodeTries:
		return nil, refuse(Forbidden, "code_locked", "Too many wrong codes were given. Call the operator, who can start this ride.")
	case in.Code == "":
		return nil, refuse(Invalid, "code_wanted", "Ask the party for the four digits of its start code.")
	case in.Code == t.StartCode:
		return nil, nil
	}
	return []FactBody{StartMissed{Trip: t.ID, Sum: sum}}, wrong
}

// codeSum is the sum of a command that gave a wrong code.
type codeSum uint64

// checkCode: a trip bears no more wrong codes than it may.
func checkCode(t *Trip, fail func(string, ...any)) {
	if len(t.Missed) > maxCodeTries || len(t.Missed) > 0 && t.StartCode == "" {
		fail("trip %s has code %q and %d wrong ones", t.ID, t.StartCode, len(t.Missed))
	}
}
