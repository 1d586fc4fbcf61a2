package ws

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cuntong/dispatch"
	"cuntong/geo"
)

// Limits of keys and tokens.
const (
	MinKeyBytes   = 32      // of a key: as many as HS256 has bits for
	MaxKeyBytes   = 4 << 10 // of a key file
	MaxTokenBytes = 4 << 10 // of a token; looked at before anything is parsed
	MaxTokenLife  = 366 * 24 * time.Hour
)

// tokenLeeway is how far two clocks may differ before it matters to a token.
const tokenLeeway = 30 * time.Second

// audience is who our tokens are for. A token that another service made with the
// same secret is of no use here.
const audience = "cuntong"

// Key is a secret that tokens are signed with (HS256). Its text never shows it.
type Key struct{ secret []byte }

// Derive returns another secret, for one purpose, from which this one cannot be found.
func (k Key) Derive(purpose string) [32]byte {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte(purpose))
	return [32]byte(mac.Sum(nil))
}

// String hides the secret.
func (Key) String() string { return "key(hidden)" }

// GoString hides the secret.
func (k Key) GoString() string { return k.String() }

// LogValue hides the secret.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// ParseKey takes the contents of a key file: the secret is all of it but white
// space at either end, and at least [MinKeyBytes] long.
func ParseKey(text []byte) (Key, error) {
	secret := bytes.TrimSpace(text)
	if len(secret) < MinKeyBytes || len(secret) > MaxKeyBytes {
		return Key{}, fmt.Errorf("the key is %d bytes long: want %d to %d; make one with NewKey", len(secret), MinKeyBytes, MaxKeyBytes)
	}
	return Key{secret: bytes.Clone(secret)}, nil
}

// LoadKey reads a key file.
func LoadKey(path string) (Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return Key{}, fmt.Errorf("token key: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxKeyBytes+2))
	if err != nil {
		return Key{}, fmt.Errorf("token key: %w", err)
	}
	key, err := ParseKey(text)
	if err != nil {
		return Key{}, fmt.Errorf("token key %s: %w", path, err)
	}
	return key, nil
}

// NewKey writes a new random key to path, readable by its owner only, and returns
// it. A file that is there already is an error: tokens in use hang on it.
func NewKey(path string) (Key, error) {
	var random [32]byte
	if _, err := rand.Read(random[:]); err != nil {
		return Key{}, fmt.Errorf("token key: %w", err)
	}
	text := hex.AppendEncode(nil, random[:])
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Key{}, fmt.Errorf("token key: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return Key{}, fmt.Errorf("token key: %w", err)
	}
	return ParseKey(text)
}

// Claims is what a token says: who it is for, where, and what he drives.
type Claims struct {
	Actor dispatch.Actor
	Area  geo.AreaID
	// Vehicle is what a driver drives; zero for anybody else.
	Vehicle dispatch.Vehicle
	// Expires is when the token ends, and Issued when it was made (zero: it does not say).
	// Set when a token is verified; [Mint] takes a time to live.
	Expires time.Time
	Issued  time.Time
}

// Bounds of a vehicle in a token.
const (
	maxVehicleSeats  = 100
	maxVehicleGoodsL = 100_000
)

// Validate says what is wrong with the claims, all at once.
func (c Claims) Validate() error {
	var errs []error
	if _, err := dispatch.ParseRole(string(c.Actor.Role)); err != nil {
		errs = append(errs, err)
	}
	if err := dispatch.CheckID(c.Actor.ID); err != nil {
		errs = append(errs, fmt.Errorf("subject: %w", err))
	}
	if _, err := geo.ParseAreaID(string(c.Area)); err != nil {
		errs = append(errs, err)
	}
	if c.Actor.Role == dispatch.RoleDriver {
		errs = append(errs, checkVehicle(c.Vehicle))
	} else if c.Vehicle != (dispatch.Vehicle{}) {
		errs = append(errs, fmt.Errorf("a %s has no vehicle", c.Actor.Role))
	}
	return errors.Join(errs...)
}

func checkVehicle(v dispatch.Vehicle) error {
	_, err := geo.ParseVehicleClass(string(v.Class))
	errs := []error{
		err,
		within("seats", v.Load.Seats, 1, maxVehicleSeats),
		within("wheelchairs", v.Load.Wheelchairs, 0, maxVehicleSeats),
		within("litres of goods", v.Load.GoodsLitres, 0, maxVehicleGoodsL),
	}
	if v.ID != "" {
		if err := checkPlate(string(v.ID)); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// checkPlate allows what plates are made of, Chinese characters included.
func checkPlate(s string) error {
	if len(s) > dispatch.MaxIDLength {
		return fmt.Errorf("vehicle id is %d bytes long: want at most %d", len(s), dispatch.MaxIDLength)
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return errors.New("vehicle id has a control character or is not UTF-8")
		}
	}
	return nil
}

// tokenClaims is [Claims] as the token has them.
type tokenClaims struct {
	jwt.RegisteredClaims
	Role        string `json:"role"`
	Area        string `json:"area"`
	Vehicle     string `json:"vehicle,omitempty"` // its class
	VehicleID   string `json:"vehicle_id,omitempty"`
	Seats       int    `json:"seats,omitempty"`
	Wheelchairs int    `json:"wheelchairs,omitempty"`
	GoodsL      int    `json:"goods_l,omitempty"`
}

// Mint makes a token that ends after ttl, 1 s to [MaxTokenLife].
func Mint(key Key, c Claims, ttl time.Duration) (string, error) {
	return mintAt(key, c, time.Now(), ttl)
}

func mintAt(key Key, c Claims, now time.Time, ttl time.Duration) (string, error) {
	if err := errors.Join(c.Validate(), within("time to live", ttl, time.Second, MaxTokenLife)); err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	claims := tokenClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   c.Actor.ID,
			Audience:  jwt.ClaimStrings{audience},
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		Role:        string(c.Actor.Role),
		Area:        string(c.Area),
		Vehicle:     string(c.Vehicle.Class),
		VehicleID:   string(c.Vehicle.ID),
		Seats:       c.Vehicle.Load.Seats,
		Wheelchairs: c.Vehicle.Load.Wheelchairs,
		GoodsL:      c.Vehicle.Load.GoodsLitres,
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key.secret)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	return token, nil
}

// verifyAt checks a token at that moment and returns what it says. The error is an [*AuthError].
func verifyAt(keys []Key, token string, now time.Time) (Claims, error) {
	switch {
	case token == "":
		return Claims{}, &AuthError{Reason: AuthMissing}
	case len(token) > MaxTokenBytes:
		return Claims{}, &AuthError{Reason: AuthMalformed, err: fmt.Errorf("the token is longer than %d bytes", MaxTokenBytes)}
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(tokenLeeway),
		jwt.WithTimeFunc(func() time.Time { return now }),
		jwt.WithStrictDecoding(),
	)
	var got tokenClaims
	if _, err := parser.ParseWithClaims(token, &got, func(*jwt.Token) (any, error) { return keySet(keys), nil }); err != nil {
		return Claims{}, &AuthError{Reason: authReason(err), err: err}
	}
	return got.claims()
}

func keySet(keys []Key) jwt.VerificationKeySet {
	set := jwt.VerificationKeySet{Keys: make([]jwt.VerificationKey, len(keys))}
	for i, key := range keys {
		set.Keys[i] = key.secret
	}
	return set
}

// internRole returns the constant where there is one, so that a connection does
// not keep a copy of the word.
func internRole(s string) dispatch.Role {
	for _, role := range roles {
		if string(role) == s {
			return role
		}
	}
	return dispatch.Role(s)
}
