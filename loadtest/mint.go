package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"cuntong/loadtest/swarm"

	"github.com/golang-jwt/jwt/v5"
)

// tokenLife is how long a token of this program is good for: longer than any run.
const tokenLife = 24 * time.Hour

// minSecretBytes is what the server asks of a secret.
const minSecretBytes = 32

// mint makes tokens as the server's own token command does. It has the claims
// from docs/PROTOCOL.md and not from the server's code, as any other client would.
type mint struct {
	secret []byte
	area   string
}

func newMint(path, area string) (*mint, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the secret that tokens are made with: %w: give --secret-file", err)
	}
	secret := bytes.TrimSpace(text)
	if len(secret) < minSecretBytes {
		return nil, fmt.Errorf("the secret in %s is %d bytes long: want at least %d", path, len(secret), minSecretBytes)
	}
	return &mint{secret, area}, nil
}

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims
	Role        string `json:"role"`
	Area        string `json:"area"`
	Vehicle     string `json:"vehicle,omitempty"` // its class
	VehicleID   string `json:"vehicle_id,omitempty"`
	Seats       int    `json:"seats,omitempty"`
	Wheelchairs int    `json:"wheelchairs,omitempty"`
	GoodsL      int    `json:"goods_l,omitempty"`
}

// token is the bearer token of a party.
func (m *mint) token(p swarm.Party) (string, error) {
	now := time.Now()
	c := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: p.ID, Audience: jwt.ClaimStrings{"cuntong"},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(tokenLife)),
		},
		Role: p.Role, Area: m.area,
	}
	if v := p.Vehicle; v != nil {
		c.Vehicle, c.VehicleID, c.Seats, c.Wheelchairs, c.GoodsL = string(v.Class), v.ID, v.Seats, v.Wheelchairs, v.GoodsL
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(m.secret)
}
