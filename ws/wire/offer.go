package wire

// Offer asks a driver whether he takes a trip.
type Offer struct {
	Offer string `json:"offer"`
	Trip  string `json:"trip"`
	// Version is the trip's.
	Version int64 `json:"version"`
	// Until is when the offer lapses, Unix ms by the server's clock.
	Until int64 `json:"until"`
	// WaitS is how long the driver has from now, in seconds: his clock may be wrong.
	WaitS float64 `json:"wait_s"`
	// Approach is the drive to the pickup, Ride the drive from there to the drop-off.
	Approach    Leg      `json:"approach"`
	Ride        Leg      `json:"ride"`
	Pickup      PlaceOut `json:"pickup"`
	Dropoff     PlaceOut `json:"dropoff"`
	Seats       int      `json:"seats"`
	Wheelchairs int      `json:"wheelchairs,omitzero"`
	GoodsL      int      `json:"goods_l,omitzero"`
	// ConfirmS is how long the offer is kept for a client that has not confirmed it
	// with [Seen], in seconds; absent once it is confirmed.
	ConfirmS float64 `json:"confirm_s,omitzero"`
}

// Seen confirms an offer: it has come and is being shown. The time to answer counts
// from then.
type Seen struct {
	Trip  string `json:"trip"`
	Offer string `json:"offer"`
}

// Leg is an estimate of a drive.
type Leg struct {
	DistanceM int64 `json:"distance_m"`
	DurationS int64 `json:"duration_s"`
}

// OfferGone tells a driver that he is no longer asked.
type OfferGone struct {
	Trip  string `json:"trip"`
	Offer string `json:"offer"`
	// End is [EndLapsed], [EndUnseen] or [EndWithdrawn].
	End string `json:"end"`
}

// The ends of an offer that its driver did not answer. A driver who declines is
// told by the answer to his command.
const (
	EndLapsed    = "lapsed"    // the time was over
	EndUnseen    = "unseen"    // it was not confirmed in time; it counts for nothing
	EndWithdrawn = "withdrawn" // the trip was cancelled, the driver went off duty, or a closed road keeps him away
)

// Accept takes an offer.
type Accept struct {
	Trip  string `json:"trip"`
	Offer string `json:"offer"`
}

// Decline turns an offer down. The driver is not asked for that trip again.
type Decline struct {
	Trip  string `json:"trip"`
	Offer string `json:"offer"`
}
