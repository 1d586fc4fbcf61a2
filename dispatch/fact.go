package dispatch

import (
	"encoding/json"
	"fmt"

	"cuntong/geo"
)

// FactFormat is the version of the encoding of facts. Facts outlive code: a
// reader accepts every version up to its own and lifts older ones on the way in.
//
//	1  the first
const FactFormat = 1

// Fact is something that has happened, as the journal keeps it.
type Fact struct {
	Seq  Seq
	At   Instant
	Body FactBody
	// Cause is the command that brought it about; nil when time or another fact did.
	Cause *Cause
}

// Cause is a command that took effect. Keeping it with the fact is what makes a
// repeat after a crash give the same answer.
type Cause struct {
	By Actor     `json:"by"`
	ID CommandID `json:"id"`
	// Sum is a hash of the command's contents: the same id with other contents is refused.
	Sum uint64 `json:"sum,string"`
}

// FactBody is one of the types below.
type FactBody interface {
	// kind is the name in the journal; it never changes meaning.
	kind() string
}

// DutyStarted: a driver began to work, or changed vehicle.
type DutyStarted struct {
	Driver  DriverID `json:"driver"`
	Vehicle Vehicle  `json:"vehicle"`
}

// DutyEnded: a driver stopped working.
type DutyEnded struct {
	Driver DriverID `json:"driver"`
}

// TripRequested: a booker asked for a trip.
type TripRequested struct {
	Trip     TripID  `json:"trip"`
	Order    Order   `json:"order"`
	Direct   geo.Leg `json:"direct"`
	Patience Instant `json:"patience"`
	// Version is what the trip begins with when the ledger had lost it and it was asked
	// for again: above what its parties were told before. Zero: 1.
	Version Version `json:"version,omitempty"`
	// StartCode is what the party is to tell the driver; empty: nothing.
	StartCode string `json:"start_code,omitempty"`
}

// OfferMade: one driver is being asked.
type OfferMade struct {
	Trip     TripID   `json:"trip"`
	Offer    OfferID  `json:"offer"`
	Driver   DriverID `json:"driver"`
	Until    Instant  `json:"until"`
	Approach geo.Leg  `json:"approach"`
	// Ride is the drive from pickup to drop-off by his vehicle; zero in journals
	// from before roads were known.
	Ride geo.Leg `json:"ride,omitzero"`
	// Confirm is when his phone's word that it has the offer is due. Zero, as in journals
	// from before phones were waited for: the offer counts as delivered.
	Confirm Instant `json:"confirm,omitempty"`
}

// OfferDelivered: the driver's phone has the offer; the time to answer counts from now.
type OfferDelivered struct {
	Trip  TripID  `json:"trip"`
	Offer OfferID `json:"offer"`
	// Until is when the offer lapses.
	Until Instant `json:"until"`
	// RoundTrip is that of his link, in milliseconds, by which Until was stretched; zero: not known.
	RoundTrip int64 `json:"round_trip_ms,omitempty"`
}

// OfferClosed: the offer ended without being accepted; the trip wants a driver again.
type OfferClosed struct {
	Trip TripID   `json:"trip"`
	End  OfferEnd `json:"end"`
	// Rest is when the driver may be asked for this trip again; zero means never.
	Rest Instant `json:"rest,omitempty"`
}

// TripParked: nobody can take it now.
type TripParked struct {
	Trip TripID `json:"trip"`
	// Deadline is when it gives up, or when a driver who let it lapse may be asked again.
	Deadline Instant `json:"deadline"`
	// ETA is when a driver who is busy now is expected at the pickup; zero when nobody is in sight.
	ETA Instant `json:"eta,omitempty"`
	// Cut: no road that is open leads from the pickup to the drop-off.
	Cut bool `json:"cut,omitempty"`
}

// TripAssigned: the driver accepted.
type TripAssigned struct {
	Trip TripID `json:"trip"`
	// Deadline is when the driver is overdue at the pickup.
	Deadline Instant `json:"deadline"`
	// ETA is when he is expected there.
	ETA Instant `json:"eta"`
	// Ride is the drive from pickup to drop-off by his vehicle; zero: as offered.
	Ride geo.Leg `json:"ride,omitzero"`
}

// DriverArrived: the driver is at the pickup.
type DriverArrived struct {
	Trip     TripID  `json:"trip"`
	Deadline Instant `json:"deadline"`
	Deed
}

// RideStarted: the party is on board.
type RideStarted struct {
	Trip     TripID  `json:"trip"`
	Deadline Instant `json:"deadline"`
	Deed
}

// TripCompleted: the party has been set down.
type TripCompleted struct {
	Trip TripID `json:"trip"`
	Deed
	// DrivenM is how far the party was driven, in metres, by the positions that were
	// known then; 0: not known.
	DrivenM int64 `json:"driven_m,omitempty"`
}

// TripReleased: the driver gave it back, or was taken off it; it wants a driver again.
type TripReleased struct {
	Trip TripID `json:"trip"`
	By   Actor  `json:"by"`
	Why  Reason `json:"why"`
	Deed
}

// TripOverdue: a deadline of a trip with a driver has passed. The trip goes on.
type TripOverdue struct {
	Trip     TripID  `json:"trip"`
	Deadline Instant `json:"deadline"`
}

// TripCancelled: somebody ended it.
type TripCancelled struct {
	Trip TripID `json:"trip"`
	By   Actor  `json:"by"`
	Why  Reason `json:"why"`
	Deed
}

// TripUnserved: nobody could take it in time.
type TripUnserved struct {
	Trip TripID `json:"trip"`
	Why  Reason `json:"why"`
}

func (DutyStarted) kind() string    { return "duty_started" }
func (DutyEnded) kind() string      { return "duty_ended" }
func (TripRequested) kind() string  { return "trip_requested" }
func (OfferMade) kind() string      { return "offer_made" }
func (OfferClosed) kind() string    { return "offer_closed" }
func (OfferDelivered) kind() string { return "offer_delivered" }
func (TripParked) kind() string     { return "trip_parked" }
func (TripAssigned) kind() string   { return "trip_assigned" }
func (DriverArrived) kind() string  { return "driver_arrived" }
func (RideStarted) kind() string    { return "ride_started" }
func (TripCompleted) kind() string  { return "trip_completed" }
func (TripReleased) kind() string   { return "trip_released" }
func (TripOverdue) kind() string    { return "trip_overdue" }
func (TripCancelled) kind() string  { return "trip_cancelled" }
func (TripUnserved) kind() string   { return "trip_unserved" }
func (TripRetimed) kind() string    { return "trip_retimed" }
func (RoadChanged) kind() string    { return "road_changed" }
func (RoadRestored) kind() string   { return "road_restored" }

// readers turns the body of each kind back into its type.
var readers = map[string]func(json.RawMessage) (FactBody, error){
	"duty_started":   readBody[DutyStarted],
	"duty_ended":     readBody[DutyEnded],
	"trip_requested": readBody[TripRequested],
	"offer_made":     readBody[OfferMade],
	"offer_closed":   readBody[OfferClosed],
	"trip_parked":    readBody[TripParked],
	"trip_assigned":  readBody[TripAssigned],
	"driver_arrived": readBody[DriverArrived],
	"ride_started":   readBody[RideStarted],
	"trip_completed": readBody[TripCompleted],
	"trip_released":  readBody[TripReleased],
	"trip_overdue":   readBody[TripOverdue],
	"trip_cancelled": readBody[TripCancelled],
	"trip_unserved":  readBody[TripUnserved],
	"trip_retimed":   readBody[TripRetimed],
	"road_changed":   readBody[RoadChanged],
	"road_restored":  readBody[RoadRestored],

	"driver_released":  readBody[DriverReleased],
	"transfer_settled": readBody[TransferSettled],
	"driver_admitted":  readBody[DriverAdmitted],
	"trip_recovered":   readBody[TripRecovered],
	"trip_reclaimed":   readBody[TripReclaimed],
	"trip_measured":    readBody[TripMeasured],
	"trip_paid":        readBody[TripPaid],
	"start_missed":     readBody[StartMissed],

	"party_barred":     readBody[PartyBarred],
	"bar_lifted":       readBody[BarLifted],
	"party_signed_out": readBody[PartySignedOut],
	"offer_delivered":  readBody[OfferDelivered],
	"trust_changed":    readBody[TrustChanged],
}

func readBody[T FactBody](raw json.RawMessage) (FactBody, error) {
	var body T
	err := json.Unmarshal(raw, &body)
	return body, err
}

// record is a fact on paper. B is the body's type on writing, and what is yet to
// be read on reading.
type record[B any] struct {
	Format int     `json:"v"`
	Seq    Seq     `json:"seq"`
	At     Instant `json:"at"`
	Kind   string  `json:"kind"`
	Body   B       `json:"body"`
	Cause  *Cause  `json:"cause,omitempty"`
}

// MarshalFact writes a fact as one line of JSON.
func MarshalFact(f Fact) ([]byte, error) {
	line, err := json.Marshal(record[FactBody]{Format: FactFormat, Seq: f.Seq, At: f.At, Kind: f.Body.kind(), Body: f.Body, Cause: f.Cause})
	if err != nil {
		return nil, fmt.Errorf("fact %d: %w", f.Seq, err)
	}
	return line, nil
}

// UnmarshalFact reads what [MarshalFact] of this or an earlier version wrote. A
// fact of a later version or an unknown kind is an error: leaving one out would
// give another state than the one people were told of.
func UnmarshalFact(line []byte) (Fact, error) {
	var r record[json.RawMessage]
	if err := json.Unmarshal(line, &r); err != nil {
		return Fact{}, fmt.Errorf("fact: %w", err)
	}
	if r.Format < 1 || r.Format > FactFormat {
		return Fact{}, fmt.Errorf("fact %d has format %d: this program reads 1 to %d; run a newer one", r.Seq, r.Format, FactFormat)
	}
	read, ok := readers[r.Kind]
	if !ok {
		return Fact{}, fmt.Errorf("fact %d is of kind %q, which this program does not know: run a newer one", r.Seq, r.Kind)
	}
	body, err := read(r.Body)
	if err != nil {
		return Fact{}, fmt.Errorf("fact %d (%s): %w", r.Seq, r.Kind, err)
	}
	return Fact{Seq: r.Seq, At: r.At, Body: body, Cause: r.Cause}, nil
}
