package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cuntong/geo"
)

// storyOf writes an outcome in sentences that need no programmer to read.
func storyOf(out Outcome) string {
	var b strings.Builder
	for _, f := range out.Facts {
		fmt.Fprintf(&b, "%s fact %d: %s\n", clock(f.At), f.Seq, factStory(f.Body)+doneStory(f.Body))
	}
	for _, n := range out.Notices {
		to := n.To.ID
		if n.To.ByPhone() {
			to = "the number"
		}
		if _, byGateway := n.Body.(Wanted); byGateway {
			to += " by the gateway"
		}
		fmt.Fprintf(&b, "  tell %s: %s\n", to, noticeStory(n.Body))
	}
	for _, l := range out.Letters {
		fmt.Fprintf(&b, "  letter to %s: %s\n", l.To, letterStory(l.Body))
	}
	for _, result := range out.Receipts {
		fmt.Fprintf(&b, "  the receipt counts as %s\n", result)
	}
	if out.Ignored != "" {
		fmt.Fprintf(&b, "  the position is not taken: %s\n", out.Ignored)
	}
	return b.String()
}

func clock(at Instant) string { return at.Time().Format("15:04:05") }

func factStory(body FactBody) string {
	switch b := body.(type) {
	case DutyStarted:
		return fmt.Sprintf("%s is on duty with a %s of %s", b.Driver, b.Vehicle.Class, seatStory(b.Vehicle.Load.Seats))
	case DutyEnded:
		return fmt.Sprintf("%s is off duty", b.Driver)
	case TripRequested:
		return fmt.Sprintf("%s is requested by %s, %s to %s, %s", b.Trip, b.Order.Booker.ID, b.Order.Pickup.Name, b.Order.Dropoff.Name, loadStory(b.Order.Load))
	case OfferMade:
		return fmt.Sprintf("%s is offered to %s until %s, %.1f km and %s away", b.Trip, b.Driver, clock(b.Until), b.Approach.Distance/1000, b.Approach.Duration.Round(time.Second))
	case OfferDelivered:
		return fmt.Sprintf("the offer of %s has arrived; it runs until %s", b.Trip, clock(b.Until))
	case OfferClosed:
		rest := ""
		if b.Rest != 0 {
			rest = ", who may be asked again at " + clock(b.Rest)
		}
		return fmt.Sprintf("the offer of %s is %s%s", b.Trip, b.End, rest)
	case TripParked:
		if b.ETA != 0 {
			return fmt.Sprintf("%s is parked until %s, for a busy driver expected at %s", b.Trip, clock(b.Deadline), clock(b.ETA))
		}
		return fmt.Sprintf("%s is parked until %s", b.Trip, clock(b.Deadline))
	case TripRetimed:
		return retimedStory(b)
	case RoadChanged:
		return fmt.Sprintf("%s makes %s: %s", b.By.ID, b.Change.ID, changeStory(b.Change))
	case RoadRestored:
		return fmt.Sprintf("%s is lifted by the %s", b.ID, b.By.Role)
	case TripAssigned:
		return fmt.Sprintf("%s is assigned, pickup expected at %s", b.Trip, clock(b.ETA))
	case DriverArrived:
		return fmt.Sprintf("the driver of %s is at the pickup", b.Trip)
	case RideStarted:
		return fmt.Sprintf("the party of %s is on board", b.Trip)
	case TripCompleted:
		if b.DrivenM != 0 {
			return fmt.Sprintf("%s is completed after %d m", b.Trip, b.DrivenM)
		}
		return fmt.Sprintf("%s is completed", b.Trip)
	case TripReleased:
		return fmt.Sprintf("%s is taken from its driver (%s)", b.Trip, b.Why)
	case TripOverdue:
		return fmt.Sprintf("%s is overdue; looked at again at %s", b.Trip, clock(b.Deadline))
	case TripCancelled:
		return fmt.Sprintf("%s is cancelled by %s (%s)", b.Trip, b.By.ID, b.Why)
	case TripUnserved:
		return fmt.Sprintf("%s ends unserved (%s)", b.Trip, b.Why)
	case PartyBarred:
		if b.Until != 0 {
			return fmt.Sprintf("%s bars %s until %s%s", b.By.ID, b.Party.ID, clock(b.Until), b.story())
		}
		return fmt.Sprintf("%s bars %s%s", b.By.ID, b.Party.ID, b.story())
	case BarLifted:
		return fmt.Sprintf("%s lets %s in again%s", b.By.ID, b.Party.ID, b.story())
	case PartySignedOut:
		return fmt.Sprintf("%s has signed out: nothing issued up to %s counts", b.Party.ID, clock(b.UpTo))
	case DriverReleased:
		return fmt.Sprintf("%s is released to %s%s", b.Driver, b.To, forStory(b.For))
	case TransferSettled:
		return fmt.Sprintf("%s has the driver who was released at %s", b.To, clock(Instant(b.Transfer)))
	case DriverAdmitted:
		return fmt.Sprintf("%s is admitted from %s%s, on duty since %s", b.Driver, b.From, forStory(b.For), clock(b.Since))
	case StartMissed:
		return fmt.Sprintf("a wrong start code is given for %s", b.Trip)
	case TripMeasured:
		return fmt.Sprintf("%s was driven %d m", b.Trip, b.DrivenM)
	case TripPaid:
		return fmt.Sprintf("%s is paid %.2f yuan to %s", b.Trip, float64(b.Fen)/100, b.By.ID)
	case TripReclaimed:
		return fmt.Sprintf("%s is %s's again, who accepted it at %s", b.Trip, b.Driver, clock(b.Since))
	case TripRecovered:
		return recoveredStory(b)
	}
	return fmt.Sprintf("%T has no story", body)
}

// story says where a word about a bar came from, and when it was said if not now.
func (w word) story() string {
	if w.From == "" {
		return ""
	}
	return fmt.Sprintf(", as %s has it from %s", w.From, clock(w.At))
}

// doneStory says when something was done that was recorded later.
func doneStory(body FactBody) string {
	d := deedIn(body)
	if d.DoneAt == 0 {
		return ""
	}
	return ", at " + clock(d.DoneAt)
}

func forStory(trip TripID) string {
	if trip == "" {
		return ""
	}
	return " for " + string(trip)
}

func recoveredStory(b TripRecovered) string {
	s := fmt.Sprintf("%s is put right to version %d, by what %s was told", b.Trip, b.Version, b.By.ID)
	if b.State != "" {
		s += fmt.Sprintf(": it is %s", b.State)
	}
	if b.Driver != "" {
		s += ", driver " + string(b.Driver)
	}
	return s
}

func letterStory(body Input) string {
	switch b := body.(type) {
	case AskQuote:
		s := fmt.Sprintf("how soon could you be at %s for %s, %s?", b.Pickup.Name, b.Trip, loadStory(b.Load))
		if len(b.Avoid) > 0 {
			s += fmt.Sprintf(" Not %v", b.Avoid)
		}
		return s
	case Quote:
		if b.Driver == "" {
			return fmt.Sprintf("nobody could come for %s", b.Trip)
		}
		return fmt.Sprintf("%s could come for %s in %s", b.Driver, b.Trip, b.Wait.Round(time.Second))
	case Borrow:
		return fmt.Sprintf("may we have %s for %s?", b.Driver, b.Trip)
	case NoLoan:
		return fmt.Sprintf("%s cannot be had for %s", b.Driver, b.Trip)
	case Admit:
		return fmt.Sprintf("%s is yours%s", b.Driver, forStory(b.For))
	case BarAbroad:
		switch {
		case b.Lifted:
			return fmt.Sprintf("%s lets %s in again", b.By.ID, b.Driver)
		case b.Until != 0:
			return fmt.Sprintf("%s is barred by %s until %s", b.Driver, b.By.ID, clock(b.Until))
		}
		return fmt.Sprintf("%s is barred by %s", b.Driver, b.By.ID)
	case BarKnown:
		return fmt.Sprintf("we know what was said of %s at %s", b.Driver, clock(b.At))
	case Settled:
		return fmt.Sprintf("we have the driver who was released at %s", clock(Instant(b.Transfer)))
	}
	return fmt.Sprintf("%T has no story", body)
}

func retimedStory(b TripRetimed) string {
	s := fmt.Sprintf("%s is timed anew: %.1f km and %s to ride", b.Trip, b.Ride.Distance/1000, b.Ride.Duration.Round(time.Second))
	if b.ETA != 0 {
		s += ", pickup expected at " + clock(b.ETA)
	}
	if b.Cut {
		s += ", and no road leads there"
	}
	return s
}

func changeStory(c geo.RoadChange) string {
	var parts []string
	if c.Closed {
		parts = append(parts, "closed")
	}
	if c.Pace != 0 {
		parts = append(parts, fmt.Sprintf("at %.0f %% of the pace", 100*c.Pace))
	}
	if c.Daily != nil {
		parts = append(parts, fmt.Sprintf("every day from minute %d to %d", c.Daily.From, c.Daily.Until))
	}
	if c.Until != 0 {
		parts = append(parts, "until "+clock(Instant(c.Until)))
	}
	return strings.Join(parts, ", ")
}

func loadStory(l Load) string {
	parts := []string{seatStory(l.Seats)}
	if l.Wheelchairs > 0 {
		parts = append(parts, fmt.Sprintf("%d wheelchairs", l.Wheelchairs))
	}
	if l.GoodsLitres > 0 {
		parts = append(parts, fmt.Sprintf("%d litres of goods", l.GoodsLitres))
	}
	return strings.Join(parts, " and ")
}

func seatStory(n int) string {
	if n == 1 {
		return "1 seat"
	}
	return fmt.Sprintf("%d seats", n)
}

func noticeStory(body NoticeBody) string {
	switch b := body.(type) {
	case Done:
		if b.Trip == "" {
			return "done"
		}
		return fmt.Sprintf("done, %s is %s (version %d)", b.Trip, b.State, b.Version)
	case Refused:
		wait := ""
		if b.Refusal.RetryAfter > 0 {
			wait = fmt.Sprintf(" [again in %s]", b.Refusal.RetryAfter)
		}
		return fmt.Sprintf("refused, %s %s: %s%s", b.Refusal.Kind, b.Refusal.Code, b.Refusal.Say, wait)
	case OfferTold:
		o := b.Offer
		return fmt.Sprintf("will you take %s, %s to %s, %s? %.0f s to answer", o.Trip, o.Pickup.Name, o.Dropoff.Name, loadStory(o.Load), o.WaitSeconds)
	case ShutOut:
		s := "you are shut out: " + string(b.Why)
		if b.Until != 0 {
			s += " until " + clock(b.Until)
		}
		if b.Except != "" {
			s += ", but for session " + b.Except
		}
		return s
	case Wanted:
		return fmt.Sprintf("%s waits until %s, %s to %s, %s", b.Trip, clock(b.Until), b.Pickup.Name, b.Dropoff.Name, loadStory(b.Load))
	case OfferGone:
		return fmt.Sprintf("the offer of %s is gone (%s)", b.Trip, b.End)
	case TripTold:
		return "trip " + tripStory(b.Trip)
	case QueueTold:
		return fmt.Sprintf("%s is number %d of %d in the queue", b.Trip, b.Place, b.Of)
	case DriverAt:
		eta := ""
		if b.ETA != 0 {
			eta = ", expected at " + clock(b.ETA)
		}
		return fmt.Sprintf("the driver of %s is at %.4f %.4f%s", b.Trip, b.Fix.Point.Lat, b.Fix.Point.Lon, eta)
	case RouteTold:
		return routeStory(b)
	case RoadTold:
		return fmt.Sprintf("%s concerns %d segments, %.1f km of %s; in force: %t", b.Road.Change.ID, b.Road.Extent.Segments,
			b.Road.Extent.Length/1000, strings.Join(b.Road.Extent.Names, ", "), b.Road.InForce)
	case DutyTold:
		if !b.On {
			return "you are off duty"
		}
		return fmt.Sprintf("you are on duty with a %s of %s", b.Duty.Vehicle.Class, seatStory(b.Duty.Vehicle.Load.Seats))
	case Truth:
		return truthStory(b)
	case DriverElsewhere:
		return "you belong to " + string(b.Area)
	case BoardTold:
		return boardStory(b.Board)
	}
	return fmt.Sprintf("%T has no story", body)
}

func tripStory(v TripView) string {
	s := fmt.Sprintf("%s is %s (version %d)", v.ID, v.State, v.Version)
	if v.State.HasDriver() {
		s += fmt.Sprintf(", driver %s", v.Driver)
	}
	if v.State == Parked && v.PickupETA != 0 {
		s += ", a driver in sight for " + clock(v.PickupETA)
	}
	if v.StartCode != "" {
		s += ", start code " + v.StartCode
	}
	if v.Cut {
		s += ", cut off"
	}
	if v.QueuePlace > 0 {
		s += fmt.Sprintf(", number %d of %d in the queue", v.QueuePlace, v.QueueOf)
	}
	if v.Overdue > 0 {
		s += fmt.Sprintf(", overdue %d times", v.Overdue)
	}
	if v.DrivenM != 0 {
		s += fmt.Sprintf(", %d m", v.DrivenM)
	}
	if v.PaidFen != 0 {
		s += fmt.Sprintf(", paid %.2f yuan", float64(v.PaidFen)/100)
	}
	if v.EndedWhy != "" {
		s += fmt.Sprintf(", by %s: %s", v.EndedBy.Role, v.EndedWhy)
	}
	return s
}

func routeStory(b RouteTold) string {
	var parts []string
	for _, way := range []*Way{b.Approach, b.Ride} {
		if way == nil {
			parts = append(parts, "no way")
			continue
		}
		parts = append(parts, fmt.Sprintf("%.1f km and %s", way.Leg.Distance/1000, way.Leg.Duration.Round(time.Second)))
	}
	return fmt.Sprintf("the way of %s: %s to the pickup, %s to ride", b.Trip, parts[0], parts[1])
}

func truthStory(truth Truth) string {
	var parts []string
	if truth.Duty != nil {
		parts = append(parts, fmt.Sprintf("on duty with %d stops to come", len(truth.Duty.Plan)))
	}
	if truth.Offer != nil {
		parts = append(parts, fmt.Sprintf("asked for %s, %.0f s left", truth.Offer.Trip, truth.Offer.WaitSeconds))
	}
	for _, v := range truth.Trips {
		parts = append(parts, tripStory(v))
	}
	if len(parts) == 0 {
		return "the truth: nothing"
	}
	return "the truth: " + strings.Join(parts, "; ")
}

func boardStory(b Board) string {
	var parts []string
	for _, v := range b.Waiting {
		parts = append(parts, "waits "+string(v.ID))
	}
	for _, v := range b.Driving {
		parts = append(parts, fmt.Sprintf("%s drives %s", v.Driver, v.ID))
	}
	for _, v := range slices.Backward(b.Ended) {
		parts = append(parts, fmt.Sprintf("%s ended %s", v.ID, v.State))
	}
	for _, road := range b.Roads {
		parts = append(parts, fmt.Sprintf("road %s (in force: %t)", road.Change.ID, road.InForce))
	}
	for _, d := range b.Drivers {
		if d.LostAt != 0 {
			parts = append(parts, fmt.Sprintf("%s lost since %s", d.ID, clock(d.LostAt)))
		}
		if d.Unseen {
			parts = append(parts, "an offer has not reached "+string(d.ID))
		}
	}
	for _, bar := range b.Bars {
		parts = append(parts, fmt.Sprintf("%s is kept out", bar.Party.ID))
	}
	return fmt.Sprintf("the board: %d on duty, %d free, %d silent; %s", b.OnDuty, b.Free, b.Silent, strings.Join(parts, ", "))
}
