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
	// Free drivers are on duty, without a trip, heard of lately, and within reach.
	Free int `json:"free"`
	// Silent drivers are on duty and not heard of lately, or their links are lost.
	Silent int `json:"silent"`
	// Roads are the changes to the roads, by id.
	Roads []RoadState `json:"roads,omitzero"`
	// Bars are the parties who are kept out, the newest first.
	Bars    []Barred `json:"bars,omitzero"`
	Latency *Latency `json:"latency,omitzero"`
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
	// Trust is [TrustDoubtful] or [TrustPoor], or absent; Signs are why.
	Trust string   `json:"trust,omitzero"`
	Signs []string `json:"signs,omitzero"`
	// LinkMS is the round trip to his phone as last measured.
	LinkMS int64 `json:"link_ms,omitzero"`
	// LostAt is when he was last heard of, Unix ms, once the link to his phone is known to
	// be lost.
	LostAt int64 `json:"lost_at,omitzero"`
	// Unseen: an offer has not reached him since he last connected.
	Unseen bool `json:"unseen,omitzero"`
}

// Barred is a party who is kept out.
type Barred struct {
	Role string `json:"role"`
	ID   string `json:"id"`
	// Until is Unix ms; absent: until lifted.
	Until int64 `json:"until,omitzero"`
	// At is when it began, Unix ms.
	At     int64  `json:"at"`
	Reason string `json:"reason"`
}

// How far a driver's positions are believed, when not fully.
const (
	TrustDoubtful = "doubtful"
	TrustPoor     = "poor"
)

// Look asks for everything about one trip or one driver, with the reason, which is
// recorded. Operators only.
type Look struct {
	Trip   string `json:"trip,omitzero"`
	Driver string `json:"driver,omitzero"`
	Reason string `json:"reason"`
}

func (l *Look) check() *Error {
	if (l.Trip == "") == (l.Driver == "") {
		return &Error{CodeMissingField, "trip", "Name either trip or driver."}
	}
	return nil
}

// LookTold answers a [Look]. Its type is [TypeLook].
type LookTold struct {
	Trip   *Trip        `json:"trip,omitzero"`
	Driver *BoardDriver `json:"driver,omitzero"`
}

// Bar keeps a party out: its connections are closed, and it is not let in again
// before Until. Operators only.
type Bar struct {
	Role string `json:"role"`
	ID   string `json:"id"`
	// Until is Unix ms; 0 is until lifted.
	Until  int64  `json:"until,omitzero"`
	Reason string `json:"reason"`
}

// LiftBar lets a party in again. Operators only.
type LiftBar struct {
	Role string `json:"role"`
	ID   string `json:"id"`
}

// Nearby asks how many drivers are about a place.
type Nearby struct {
	Around Place `json:"around"`
}

// NearbyTold answers a [Nearby], coarsely: it shows a moment some minutes ago, and
// never a driver alone. Its type is [TypeNearby].
type NearbyTold struct {
	// At is the moment it shows, Next when there will be a newer one; Unix ms.
	At   int64 `json:"at"`
	Next int64 `json:"next"`
	// Cells are the nearest places with drivers; at most [MaxNearbyCells].
	Cells []NearbyCell `json:"cells"`
}

// NearbyCell is a piece of the country with drivers in it.
type NearbyCell struct {
	// Lat, Lon and Datum are its middle, and RadiusM reaches its corners.
	Lat     float64 `json:"lat"`
	Lon     float64 `json:"lon"`
	Datum   string  `json:"datum"`
	RadiusM int64   `json:"radius_m"`
	// Drivers is [SomeDrivers] or [ManyDrivers].
	Drivers string `json:"drivers"`
}

// How many drivers a cell has.
const (
	SomeDrivers = "some" // 3 to 9
	ManyDrivers = "many" // 10 and more
)

// Latency is how long drivers were asked after the request, in milliseconds.
type Latency struct {
	RequestToOfferP50MS float64 `json:"request_to_offer_p50_ms"`
	RequestToOfferP99MS float64 `json:"request_to_offer_p99_ms"`
	Count               int64   `json:"count"`
}
