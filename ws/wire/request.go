package wire

// Request asks for a trip.
type Request struct {
	// Trip is the trip's id, chosen by the client. The same id and the same order
	// again is the same trip.
	Trip    string `json:"trip"`
	Pickup  Place  `json:"pickup"`
	Dropoff Place  `json:"dropoff"`
	// Seats is how many people ride.
	Seats int `json:"seats"`
	// Wheelchairs is how many of them stay in their wheelchair.
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

func (r *Request) check() *Error {
	switch {
	case r.PickupTo != 0 && r.PickupTo < r.PickupFrom:
		return &Error{CodeOutOfRange, "pickup_to", "Let pickup_to be no earlier than pickup_from."}
	case r.ArriveBy != 0 && r.ArriveBy <= r.PickupFrom:
		return &Error{CodeOutOfRange, "arrive_by", "Let arrive_by be later than pickup_from."}
	case r.Pickup.same(r.Dropoff):
		return &Error{CodeSamePlace, "dropoff", "Let the drop-off be another place than the pickup."}
	}
	return nil
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

// same says whether two places are written the same, notes and names aside. Two
// that are written differently may still be the same; that is found out where
// villages are known.
func (p Place) same(q Place) bool {
	p.Name, p.Note, q.Name, q.Note = "", "", "", ""
	return p == q
}

func (p *Place) check() *Error {
	village := p.Village != "" || p.Stop != ""
	point := p.Lat.Set || p.Lon.Set || p.Datum != "" || p.Name != ""
	switch {
	case village && point:
		return &Error{CodeBadPlace, "", "Give either village (and stop) or lat, lon and datum (and name), not both."}
	case !village && !point:
		return &Error{CodeBadPlace, "", "Say where: give village, or lat, lon and datum."}
	case village && p.Village == "":
		return missing("village")
	case point && !p.Lat.Set:
		return missing("lat")
	case point && !p.Lon.Set:
		return missing("lon")
	case point && p.Datum == "":
		return missing("datum")
	case point:
		return nowhere(p.Lat.Value, p.Lon.Value)
	}
	return nil
}

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
