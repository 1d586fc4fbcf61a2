package wire

// Request asks for a trip.
type Request struct {
	// Trip is the trip's id, chosen by the client. The same id and the same order
	// again is the same trip.
	Trip    string `json:"trip"`
	Pickup  Place  `json:"pickup"`
	Dropoff Place  `json:"dropoff"`
	// Seats is how many people need a seat.
	Seats int `json:"seats"`
	// Wheelchairs is how many stay in their wheelchair.
	Wheelchairs int `json:"wheelchairs,omitzero"`
	// GoodsL is the space for baskets, sacks and animals, in litres.
	GoodsL int `json:"goods_l,omitzero"`
	// Traveller is who rides, when that is not the one who books.
	Traveller Traveller `json:"traveller,omitzero"`
	// Channel is how the booking came in. Absent, the role decides.
	Channel string `json:"channel,omitzero"`
	Note    string `json:"note,omitzero"`
	// PickupFrom and PickupTo are when the party wants to be fetched, Unix ms; 0 is now, and open.
	PickupFrom int64 `json:"pickup_from,omitzero"`
	PickupTo   int64 `json:"pickup_to,omitzero"`
	// ArriveBy is when the party must be there, Unix ms, or 0.
	ArriveBy int64 `json:"arrive_by,omitzero"`
}

// The channels that a client may name.
const (
	ChannelApp   = "app"
	ChannelAgent = "agent"
	ChannelDesk  = "desk"
	ChannelText  = "text"
)

// Place is a place as a client gives it, in one of two forms: a village with
// perhaps one of its stops, or a point with its datum.
type Place struct {
	Village string `json:"village,omitzero"`
	Stop    string `json:"stop,omitzero"`

	Lat   Optional `json:"lat,omitzero"`
	Lon   Optional `json:"lon,omitzero"`
	Datum string   `json:"datum,omitzero"`
	Name  string   `json:"name,omitzero"`

	// Note is what the booker adds in words, in either form.
	Note string `json:"note,omitzero"`
}

// IsPoint says whether the place is given as a point and not as a village.
func (p Place) IsPoint() bool { return p.Lat.Set }

// PlaceOut is a place as the server tells it: always with a point.
type PlaceOut struct {
	Village string  `json:"village,omitzero"`
	Stop    string  `json:"stop,omitzero"`
	Name    string  `json:"name,omitzero"`
	Lat     float64 `json:"lat"`
	Lon     float64 `json:"lon"`
	Datum   string  `json:"datum"`
	Note    string  `json:"note,omitzero"`
}

// Traveller is the person who rides, who need not be the one who books and need
// not have a phone.
type Traveller struct {
	// ID is the traveller's own account, or empty.
	ID    string `json:"id,omitzero"`
	Name  string `json:"name,omitzero"`
	Phone string `json:"phone,omitzero"`
}
