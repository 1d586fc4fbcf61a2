package wire

// The datums in which a client may give coordinates. The server speaks only [DatumWGS84].
const (
	DatumWGS84 = "wgs84"
	DatumGCJ02 = "gcj02"
	DatumBD09  = "bd09"
)

// Position is where a driver's phone is. Newest wins; there is no answer.
type Position struct {
	Lat   float64 `json:"lat"`
	Lon   float64 `json:"lon"`
	Datum string  `json:"datum"`
	// At is when the phone was there, Unix ms by the phone's clock.
	At         int64    `json:"at"`
	AccuracyM  Optional `json:"accuracy_m,omitzero"`
	HeadingDeg Optional `json:"heading_deg,omitzero"` // clockwise from north
	SpeedMPS   Optional `json:"speed_mps,omitzero"`
	// Mock says that the phone's system calls the position a made-up one.
	Mock bool `json:"mock,omitzero"`
}

// Track is where a driver's phone was while it could not say so, oldest first.
type Track struct {
	Datum string `json:"datum"`
	// Fixes are 1 to [MaxTrackFixes].
	Fixes []TrackFix `json:"fixes"`
}

// TrackFix is one position of a [Track].
type TrackFix struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
	// At is when the phone was there, Unix ms by the phone's clock.
	At         int64    `json:"at"`
	AccuracyM  Optional `json:"accuracy_m,omitzero"`
	HeadingDeg Optional `json:"heading_deg,omitzero"`
	SpeedMPS   Optional `json:"speed_mps,omitzero"`
	Mock       bool     `json:"mock,omitzero"`
}

func (f *TrackFix) check() *Error { return nowhere(f.Lat, f.Lon) }

func (t *Track) check() *Error {
	for i := 1; i < len(t.Fixes); i++ {
		if t.Fixes[i].At <= t.Fixes[i-1].At {
			return &Error{CodeOutOfRange, "fixes", "Send the positions of a track oldest first, each later than the one before."}
		}
	}
	return nil
}

// The ranges of what a phone says of its position. They are wide: their purpose
// is to stop nonsense, not to judge a phone.
const (
	maxLat        = 90
	maxLon        = 180
	maxAccuracyM  = 100_000
	maxHeadingDeg = 360
	maxSpeedMPS   = 200
)

// nowhere refuses 0,0, which is what a phone without a fix sends and where no road is.
func nowhere(lat, lon float64) *Error {
	if lat == 0 && lon == 0 {
		return &Error{CodeOutOfRange, "lat", "Send no position while there is none: 0,0 is not a place on a road."}
	}
	return nil
}

func (p *Position) check() *Error { return nowhere(p.Lat, p.Lon) }

// Fix is where a driver was, as told to others. Always in WGS-84.
type Fix struct {
	Lat   float64 `json:"lat"`
	Lon   float64 `json:"lon"`
	Datum string  `json:"datum"`
	// At is Unix ms by the server's clock.
	At int64 `json:"at"`
	// AgeMS is how old the fix was when it was sent: the reader's clock may be wrong.
	AgeMS      int64    `json:"age_ms"`
	HeadingDeg Optional `json:"heading_deg,omitzero"`
	SpeedMPS   Optional `json:"speed_mps,omitzero"`
	AccuracyM  Optional `json:"accuracy_m,omitzero"`
}

// DriverAt tells the party of a trip where its driver is. Newest wins.
type DriverAt struct {
	Trip string `json:"trip"`
	Fix  Fix    `json:"fix"`
	// ETA is when the driver is expected at his next stop, Unix ms; 0 is unknown.
	ETA int64 `json:"eta,omitzero"`
	// DistanceM is how far it is to there by road; 0 with an ETA: he is there.
	DistanceM int64 `json:"distance_m,omitzero"`
}
