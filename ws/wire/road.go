package wire

// Road makes a change to the roads hold: a closure, a slower pace, a limit.
// Operators only.
type Road struct {
	// Road is the id of the change, chosen by the client. The same id again replaces it.
	Road  string  `json:"road"`
	Where Stretch `json:"where"`
	// Vehicles are the classes that it concerns; none: all.
	Vehicles []string `json:"vehicles,omitzero"`
	// Closed lets nobody through, in either direction.
	Closed bool `json:"closed,omitzero"`
	// Pace is the share of the usual speed that can be driven; 0 stands for 1.
	Pace float64 `json:"pace,omitzero"`
	// MaxKG, MaxHeightCM and MaxWidthCM close the road to classes whose vehicles are
	// heavier, higher or wider; 0: no limit.
	MaxKG       int `json:"max_kg,omitzero"`
	MaxHeightCM int `json:"max_height_cm,omitzero"`
	MaxWidthCM  int `json:"max_width_cm,omitzero"`
	// From and Until bound it in time, Unix ms; 0: open.
	From  int64 `json:"from,omitzero"`
	Until int64 `json:"until,omitzero"`
	// Daily makes it hold at certain hours only; zero: all day.
	Daily Hours `json:"daily,omitzero"`
	// Note says why, at most [MaxRoadNoteBytes].
	Note string `json:"note,omitzero"`
}

func (r *Road) check() *Error {
	switch {
	case r.Until != 0 && r.Until <= r.From:
		return &Error{CodeOutOfRange, "until", "Let until be later than from."}
	case len(r.Note) > MaxRoadNoteBytes:
		return &Error{CodeTooLong, "note", "Keep the note on a road within 200 bytes: about 66 Chinese characters."}
	}
	return nil
}

// Stretch selects roads: those that meet every condition that is set. One without
// any selects every road there is.
type Stretch struct {
	// Lat, Lon and Datum are the middle of a circle, or absent together.
	Lat   Optional `json:"lat,omitzero"`
	Lon   Optional `json:"lon,omitzero"`
	Datum string   `json:"datum,omitzero"`
	// RadiusM selects what passes through the circle; 0: only the stretch of road
	// nearest to its middle.
	RadiusM float64 `json:"radius_m,omitzero"`
	// Kinds selects by kind of road.
	Kinds []string `json:"kinds,omitzero"`
	// AboveM selects what climbs higher than this above sea level; 0: any height.
	AboveM float64 `json:"above_m,omitzero"`
}

// IsRound says whether the stretch has a middle.
func (s Stretch) IsRound() bool { return s.Lat.Set }

func (s *Stretch) check() *Error {
	round := s.Lat.Set || s.Lon.Set || s.Datum != "" || s.RadiusM > 0
	switch {
	case round && !s.Lat.Set:
		return missing("lat")
	case round && !s.Lon.Set:
		return missing("lon")
	case round && s.Datum == "":
		return missing("datum")
	case round:
		return nowhere(s.Lat.Value, s.Lon.Value)
	}
	return nil
}

// Hours is a part of every day in minutes since midnight, local time. One that ends
// before it begins goes over midnight.
type Hours struct {
	FromMin  int `json:"from_min"`
	UntilMin int `json:"until_min"`
	// ZoneMin is how many minutes local time is ahead of UTC.
	ZoneMin int `json:"zone_min"`
}

func (h *Hours) check() *Error {
	if h.FromMin == h.UntilMin {
		return &Error{CodeOutOfRange, "until_min", "Let until_min be another minute than from_min; leave daily out for the whole day."}
	}
	return nil
}

// The ranges of a change to the roads.
const (
	minPace    = 0.05
	maxRadiusM = 200_000
	maxAboveM  = 8_999
	maxMassKG  = 200_000
	maxSizeCM  = 2_000
	lastMinute = 24*60 - 1
	firstZone  = -12 * 60
	lastZone   = 14 * 60
)

// roadKinds are the kinds of road, from the widest to the narrowest, and
// vehicleClasses the classes of vehicle; as the server's map has them.
var (
	roadKinds = []string{"motorway", "trunk", "primary", "secondary", "tertiary", "unclassified", "residential",
		"living_street", "service", "track", "ferry"}
	vehicleClasses = []string{"car", "minivan", "minibus", "bus", "pickup"}
)

// LiftRoad lifts a change to the roads. Operators only.
type LiftRoad struct {
	Road string `json:"road"`
}

// RoadState is a change to the roads as it stands. Its type is [TypeRoad].
type RoadState struct {
	// Change is as it was asked for, with its point in [DatumWGS84].
	Change Road   `json:"change"`
	Extent Extent `json:"extent"`
	// InForce says that its time is at hand.
	InForce bool `json:"in_force"`
}

// Extent is how much road a change concerns.
type Extent struct {
	Segments int   `json:"segments"`
	LengthM  int64 `json:"length_m"`
	// Names of the roads, at most eight.
	Names []string `json:"names"`
}

// Route asks for the way of a trip on the map. It is answered by [RouteTold], or
// by a refusal that names the trip.
type Route struct {
	Trip string `json:"trip"`
}

// RouteTold is the way of a trip as it is now. Its type is [TypeRoute].
type RouteTold struct {
	Trip string `json:"trip"`
	// Approach is the way of the driver to the pickup, while he is on it.
	Approach *Way `json:"approach,omitzero"`
	// Ride is the way to the drop-off, from the pickup or, on board, from where the
	// vehicle is. Nil: no road leads there.
	Ride *Way `json:"ride,omitzero"`
}

// Way is a drive and its line on the map.
type Way struct {
	DistanceM int64 `json:"distance_m"`
	DurationS int64 `json:"duration_s"`
	// Line is an encoded polyline of precision 5, in [DatumWGS84].
	Line string `json:"line"`
}
