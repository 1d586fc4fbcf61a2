package dispatch

import "cuntong/geo"

// Offer is a lease: the driver has the first word on the trip until Until, and
// nobody else is asked meanwhile. Its lapse is an ordinary input, so that a
// vanished driver, a dead phone and a server restart all take the same road.
type Offer struct {
	ID     OfferID  `json:"id"`
	Driver DriverID `json:"driver"`
	MadeAt Instant  `json:"made_at"`
	Until  Instant  `json:"until"`
	// Confirm is when the phone's word that it has the offer is due; 0: it has come, and
	// Until is what counts.
	Confirm Instant `json:"confirm,omitempty"`
	// Approach is the estimated drive from the driver to the pickup.
	Approach geo.Leg `json:"approach"`
	// Ride is the drive from pickup to drop-off by his vehicle.
	Ride geo.Leg `json:"ride,omitzero"`
}

// due is when the offer ends by itself.
func (o *Offer) due() Instant {
	if o.Confirm != 0 {
		return o.Confirm
	}
	return o.Until
}

// OfferEnd says how an offer ended without being accepted.
type OfferEnd string

// The ends.
const (
	OfferDeclined  OfferEnd = "declined"
	OfferLapsed    OfferEnd = "lapsed"
	OfferUnseen    OfferEnd = "unseen"    // no word came in time that it had arrived; it counts for nothing
	OfferWithdrawn OfferEnd = "withdrawn" // the trip was cancelled, or the driver went off duty
)
