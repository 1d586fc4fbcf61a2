package wire

// Watch turns an operator's board on or off.
type Watch struct {
	On bool `json:"on"`
}

// Board is an operator's view of an area. Newest wins.
type Board struct {
	// At is Unix ms.
	At   int64  `json:"at"`
	Area string `json:"area"`
	// Counts is the open trips by state.
	Counts map[string]int `json:"counts"`
	// Waiting is the trips without a driver, first in the queue first.
	Waiting []Trip `json:"waiting"`
	// Driving is the trips with a driver, newest first.
	Driving []Trip `json:"driving"`
	// Ended is the last trips that ended, newest first.
	Ended   []Trip        `json:"ended"`
	Drivers []BoardDriver `json:"drivers"`
	OnDuty  int           `json:"on_duty"`
	// Free drivers are on duty, without a trip, and heard of lately.
	Free int `json:"free"`
	// Silent drivers are on duty and not heard of lately.
	Silent int `json:"silent"`
	// Roads are the changes to the roads, by id.
	Roads   []RoadState `json:"roads,omitzero"`
	Latency *Latency    `json:"latency,omitzero"`
}

// BoardDriver is one driver on the board.
type BoardDriver struct {
	ID      string  `json:"id"`
	Vehicle Vehicle `json:"vehicle"`
	// Trip is being driven, or asked for; State is that trip's. Both absent when free.
	Trip  string `json:"trip,omitzero"`
	State string `json:"state,omitzero"`
	// Position is absent when the driver has not been heard of lately.
	Position *Fix `json:"position,omitzero"`
}

// Latency is how long drivers were asked after the request, in milliseconds.
type Latency struct {
	RequestToOfferP50MS float64 `json:"request_to_offer_p50_ms"`
	RequestToOfferP99MS float64 `json:"request_to_offer_p99_ms"`
	Count               int64   `json:"count"`
}
