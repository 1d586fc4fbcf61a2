package dispatch

import (
	"fmt"
	"strings"
	"time"
)

// DriverID names a driver: a person, whatever vehicle he drives today.
type DriverID string

// VehicleID names a vehicle, usually by its plate.
type VehicleID string

// TripID names a trip. The booker's client chooses it, so that a request sent
// twice is one trip.
type TripID string

// OfferID names one offer of one trip to one driver. The core makes it from the
// trip's id and a count, so that replay gives the same ids.
type OfferID string

// CommandID is chosen by a client for one command. Repeating a command under the
// same id repeats the answer and does nothing else.
type CommandID string

// Seq is a fact's place in its area's journal. The first fact has 1.
type Seq uint64

// Version counts the facts of one trip. Every fact raises it by exactly one.
type Version uint32

// Instant is a moment in milliseconds since 1970-01-01 UTC. Zero means "not set".
// It is a number and not a [time.Time] so that two equal moments are equal with
// == and replay cannot depend on a time zone or a monotonic reading.
type Instant int64

// InstantOf returns t as an Instant, cut to the millisecond.
func InstantOf(t time.Time) Instant { return Instant(t.UnixMilli()) }

// Time returns i in UTC.
func (i Instant) Time() time.Time { return time.UnixMilli(int64(i)).UTC() }

// Add returns i moved by d, cut to the millisecond.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d.Milliseconds()) }

// Sub returns the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i-j) * time.Millisecond }

// Role is what a party may do.
type Role string

// The roles. RoleSystem is the server itself and cannot be claimed by a client.
const (
	RoleDriver    Role = "driver"
	RolePassenger Role = "passenger"
	RoleAgent     Role = "agent"    // a village service point that books for others
	RoleOperator  Role = "operator" // a dispatcher of the county
	RoleSystem    Role = "system"
)

// ParseRole reads a role a client may claim.
func ParseRole(s string) (Role, error) {
	switch r := Role(s); r {
	case RoleDriver, RolePassenger, RoleAgent, RoleOperator:
		return r, nil
	}
	return "", fmt.Errorf("role %q: want driver, passenger, agent or operator", s)
}

// Actor is somebody who gives commands or is told things: a role and an id.
// The same id in two roles is two actors.
type Actor struct {
	Role Role   `json:"role"`
	ID   string `json:"id"`
}

// String returns role:id.
func (a Actor) String() string { return string(a.Role) + ":" + a.ID }

// ByPhone says whether a is the traveller of a trip who has no account, but a telephone
// number: he is told what a passenger is told, and can be connected nowhere.
func (a Actor) ByPhone() bool { return a == byPhone }

// byPhone has no id, so no token names it.
var byPhone = Actor{Role: RolePassenger}

// Driver returns the driver id of a driver and "" of anybody else.
func (a Actor) Driver() DriverID {
	if a.Role != RoleDriver {
		return ""
	}
	return DriverID(a.ID)
}

// DriverActor returns the actor that a driver is.
func DriverActor(id DriverID) Actor { return Actor{Role: RoleDriver, ID: string(id)} }

// MaxIDLength bounds every id that comes from outside, in bytes.
const MaxIDLength = 64

// CheckID says whether s may be an id: 1 to [MaxIDLength] of ASCII letters, digits
// and "-_.:@". Braces and slashes are refused because ids become parts of Redis
// keys and of offer ids.
func CheckID(s string) error {
	if s == "" || len(s) > MaxIDLength {
		return fmt.Errorf("id is %d bytes long: want 1 to %d", len(s), MaxIDLength)
	}
	if i := strings.IndexFunc(s, badInID); i >= 0 {
		return fmt.Errorf("id has %q: want ASCII letters, digits and -_.:@", s[i:i+1])
	}
	return nil
}

func badInID(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("-_.:@", r)
}
