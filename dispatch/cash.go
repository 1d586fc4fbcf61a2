package dispatch

// Bounds of the cash of one trip.
const (
	// MaxFen bounds the sum: a hundred thousand yuan.
	MaxFen = 10_000_000
	// maxPayments bounds into how many pieces it may fall.
	maxPayments = 20
)

// TripPaid: a driver has taken cash for a trip. What he takes in several pieces adds up.
type TripPaid struct {
	Trip TripID `json:"trip"`
	// Fen is how much, in hundredths of a yuan.
	Fen int64 `json:"fen"`
	By  Actor `json:"by"`
	Deed
}

func (TripPaid) kind() string { return "trip_paid" }

// decidePaid takes what the driver of a trip says that he was given, while he is bound
// to it or after he has completed it.
func (c *Core) decidePaid(now Instant, in Paid) ([]FactBody, *Refusal) {
	t := c.trips[in.Trip]
	if t == nil || in.By.Role != RoleDriver || t.Driver != in.By.Driver() || t.State != Completed {
		var refusal *Refusal
		if t, refusal = c.driving(in.By, in.Trip); refusal != nil {
			return nil, refusal
		}
	}
	switch {
	case in.Fen < 1 || in.Fen > MaxFen:
		return nil, refuse(Invalid, "fen", "Give the amount in fen, at least 1 and not more than a trip can cost.")
	case t.PaidFen+in.Fen > MaxFen || t.Payments >= maxPayments:
		return nil, refuse(Conflict, "paid_enough", "More cash was reported for this trip than it can cost, or in too many pieces. Tell the operator.")
	}
	deed, refusal := c.judgeDeed(now, t, t.assignedAt(), in.Deed)
	if refusal != nil {
		return nil, refusal
	}
	return []FactBody{TripPaid{Trip: t.ID, Fen: in.Fen, By: in.By, Deed: deed}}, nil
}

// foldPaid adds up. The trip may have ended.
func (t *Trip) foldPaid(b TripPaid) {
	t.PaidFen += b.Fen
	t.Payments++
	t.DeedSeq = max(t.DeedSeq, b.DeedSeq)
}

// checkCash: what was paid is within its bounds.
func checkCash(t *Trip, fail func(string, ...any)) {
	if t.PaidFen < 0 || t.PaidFen > MaxFen || t.Payments > maxPayments || (t.PaidFen > 0) != (t.Payments > 0) {
		fail("trip %s was paid %d fen in %d pieces", t.ID, t.PaidFen, t.Payments)
	}
}
