package wire

// Duty says that a driver begins or stops work, with the vehicle of his token.
type Duty struct {
	On bool `json:"on"`
}

// EndDuty takes a driver off work. Operators only.
type EndDuty struct {
	Driver string `json:"driver"`
}

// DutyState tells a driver whether he is on duty. Its type is [TypeDuty].
type DutyState struct {
	On bool `json:"on"`
	// Vehicle, Since and Plan are there while On.
	Vehicle *Vehicle `json:"vehicle,omitzero"`
	// Since is Unix ms.
	Since int64 `json:"since,omitzero"`
	// Plan is the stops he has promised, in driving order.
	Plan []Stop `json:"plan,omitzero"`
}

// Vehicle is what is driven. A passenger sees the id, usually the plate, to
// know which car to get into.
type Vehicle struct {
	ID          string `json:"id,omitzero"`
	Class       string `json:"class"`
	Seats       int    `json:"seats"`
	Wheelchairs int    `json:"wheelchairs,omitzero"`
	GoodsL      int    `json:"goods_l,omitzero"`
}

// The kinds of stop.
const (
	StopPickup  = "pickup"
	StopDropoff = "dropoff"
)

// Stop is one place a driver has promised to be at, for one trip.
type Stop struct {
	Kind  string   `json:"kind"`
	Trip  string   `json:"trip"`
	Place PlaceOut `json:"place"`
}
