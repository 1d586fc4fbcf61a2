package ws

import (
	"bytes"
	"encoding/base64"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"cuntong/dispatch"
	"cuntong/geo"
)

// issuerMethods are the methods by which an issuer's tokens may be signed. Each goes with one
// type of key (jwks.go), and none of them with a secret.
var issuerMethods = []string{"RS256", "ES256", "EdDSA"}

// errKeyLater: the key of a token is not known at present, and cannot be asked for at present.
var errKeyLater = errors.New("the issuer's key cannot be fetched at present")

// Issuer judges tokens of an OpenID Connect provider by the keys that it publishes (JWKS, RFC
// 7517). They are what our own are, but for who signed them: sub, role, area and vehicle, with
// iss, aud, exp and iat. Its methods may be called from any goroutine; end with [Issuer.Close].
type Issuer struct {
	cfg  IssuerConfig
	keys *keyring
}

// NewIssuer checks the configuration and begins to fetch the keys. That they cannot be had is no error.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	ring, err := newKeyring(cfg)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	return &Issuer{cfg: cfg, keys: ring}, nil
}

// Close stops fetching and waits for the end of it.
func (i *Issuer) Close() { i.keys.close() }

// Authenticate implements [Authenticator]. It may wait a few seconds for a key that is not known
// yet. [AuthLater] says that it is not the token's fault.
func (i *Issuer) Authenticate(token string, now time.Time) (Claims, error) {
	header, bad := readHeader(token)
	if bad != nil {
		return Claims{}, bad
	}
	return i.judge(header, token, now)
}

// judge judges a token whose header has been read.
func (i *Issuer) judge(header tokenHeader, token string, now time.Time) (Claims, error) {
	parser := jwt.NewParser(
		jwt.WithValidMethods(issuerMethods),
		jwt.WithIssuer(i.cfg.Issuer),
		jwt.WithAudience(i.cfg.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(tokenLeeway),
		jwt.WithTimeFunc(func() time.Time { return now }),
		jwt.WithStrictDecoding(),
	)
	got := issuerClaims{prefix: i.cfg.ClaimsPrefix}
	_, err := parser.ParseWithClaims(token, &got, func(*jwt.Token) (any, error) { return i.keys.find(header.name()) })
	switch {
	case errors.Is(err, errKeyLater):
		return Claims{}, &AuthError{Reason: AuthLater, err: err}
	case err != nil:
		return Claims{}, &AuthError{Reason: authReason(err), err: err}
	case got.IssuedAt == nil:
		return Claims{}, &AuthError{Reason: AuthClaims, err: errors.New("the token does not say when it was issued")}
	case got.ExpiresAt.After(now.Add(MaxTokenLife)):
		return Claims{}, &AuthError{Reason: AuthClaims, err: fmt.Errorf("the token runs for longer than %v", MaxTokenLife)}
	}
	return got.tokenClaims.claims()
}

// issuerClaims reads the claims of an issuer's token by their exact names: providers let people
// choose some claims themselves, and "Role" must not pass for "role", nor the second of two for the first.
type issuerClaims struct {
	tokenClaims
	prefix string
}

// UnmarshalJSON implements [encoding/json.Unmarshaler].
func (c *issuerClaims) UnmarshalJSON(text []byte) error {
	var all map[string]jsontext.Value
	if err := json.Unmarshal(text, &all); err != nil { // refuses names that come twice, and what is not UTF-8
		return err
	}
	var other struct {
		ID string `json:"id"`
	}
	err := errors.Join(
		stdjson.Unmarshal(pick(all, "", "iss", "sub", "aud", "exp", "nbf", "iat"), &c.RegisteredClaims),
		stdjson.Unmarshal(pick(all, c.prefix, "role", "area", "vehicle", "vehicle_id", "seats", "wheelchairs", "goods_l"), &c.tokenClaims),
		stdjson.Unmarshal(pick(all, c.prefix, "id"), &other),
	)
	if c.prefix != "" && other.ID != "" {
		c.Subject = other.ID
	}
	return err
}

// pick returns an object of the claims of these names, which have prefix before them in all.
func pick(all map[string]jsontext.Value, prefix string, names ...string) []byte {
	out := []byte{'{'}
	for _, name := range names {
		value, ok := all[prefix+name]
		if !ok || bytes.Equal(value, []byte("null")) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), name...), '"', ':')
		out = append(out, value...)
	}
	return append(out, '}')
}

// tokenHeader is what matters of a token's header before anything else of it is looked at.
type tokenHeader struct {
	Alg  string         `json:"alg"`
	Kid  string         `json:"kid"`
	Crit jsontext.Value `json:"crit"`
}

func (h tokenHeader) name() keyName { return keyName{alg: h.Alg, kid: h.Kid} }

// readHeader reads the header of a token that is not too long and has three parts (one of five is
// encrypted, RFC 7516, and of no use here). A header that demands extensions (crit, RFC 7515 section
// 4.1.11) is refused: there is none that we know. Names that come twice are refused.
func readHeader(token string) (tokenHeader, *AuthError) {
	var header tokenHeader
	switch {
	case token == "":
		return header, &AuthError{Reason: AuthMissing}
	case len(token) > MaxTokenBytes:
		return header, &AuthError{Reason: AuthMalformed, err: fmt.Errorf("the token is longer than %d bytes", MaxTokenBytes)}
	case strings.Count(token, ".") != 2:
		return header, &AuthError{Reason: AuthMalformed, err: errors.New("the token is not three parts")}
	}
	first, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err == nil {
		err = json.Unmarshal(text, &header)
	}
	if err == nil && header.Crit != nil {
		err = errors.New("the token demands extensions")
	}
	if err != nil {
		return header, &AuthError{Reason: AuthMalformed, err: fmt.Errorf("header: %w", err)}
	}
	return header, nil
}

// Either judges tokens by the method that they say they are signed with: HS256 goes with the shared
// secrets and nothing else does, so that a public key is never taken for a secret.
type Either struct {
	Shared Keys
	Issuer *Issuer
}

// Authenticate implements [Authenticator].
func (e Either) Authenticate(token string, now time.Time) (Claims, error) {
	header, bad := readHeader(token)
	if bad != nil {
		return Claims{}, bad
	}
	if header.Alg == jwt.SigningMethodHS256.Alg() {
		return e.Shared.Authenticate(token, now)
	}
	return e.Issuer.judge(header, token, now)
}

// claims is what a verified token says, validated.
func (got *tokenClaims) claims() (Claims, error) {
	c := Claims{
		Actor: dispatch.Actor{Role: internRole(got.Role), ID: got.Subject},
		Area:  geo.AreaID(got.Area),
		Vehicle: dispatch.Vehicle{
			ID:    dispatch.VehicleID(got.VehicleID),
			Class: geo.VehicleClass(got.Vehicle),
			Load:  dispatch.Load{Seats: got.Seats, Wheelchairs: got.Wheelchairs, GoodsLitres: got.GoodsL},
		},
		Expires: got.ExpiresAt.Time,
	}
	if got.IssuedAt != nil {
		c.Issued = got.IssuedAt.Time
	}
	if err := c.Validate(); err != nil {
		return Claims{}, &AuthError{Reason: AuthClaims, err: err}
	}
	return c, nil
}
