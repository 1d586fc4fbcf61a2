package phone

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokenLife is longer than any run.
const tokenLife = 24 * time.Hour

// claims are what a token says, taken from docs/PROTOCOL.md and not from the server's
// code, as any other client's would be.
type claims struct {
	jwt.RegisteredClaims
	Role      string `json:"role"`
	Area      string `json:"area"`
	Vehicle   string `json:"vehicle,omitempty"`
	VehicleID string `json:"vehicle_id,omitempty"`
	Seats     int    `json:"seats,omitempty"`
}

// mint is the bearer token of a party.
func mint(secret []byte, role, id, area string) (string, error) {
	now := time.Now()
	c := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: id, Audience: jwt.ClaimStrings{"cuntong"},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(tokenLife)),
		},
		Role: role, Area: area,
	}
	if role == "driver" {
		c.Vehicle, c.VehicleID, c.Seats = "minivan", "V-"+id, 6
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(secret)
}
