package ws

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// roles are the roles that a token may carry, in the order of the metrics.
var roles = []dispatch.Role{dispatch.RoleDriver, dispatch.RolePassenger, dispatch.RoleAgent, dispatch.RoleOperator}

// Authenticator judges tokens. It is called from many goroutines, once a connection.
type Authenticator interface {
	// Authenticate returns what a token says at this moment, validated, or an
	// [*AuthError].
	Authenticate(token string, now time.Time) (Claims, error)
}

// Keys judges tokens signed with any of several secrets, so that a new secret can
// come into use before the old one goes out of it.
type Keys []Key

// Authenticate implements [Authenticator].
func (k Keys) Authenticate(token string, now time.Time) (Claims, error) {
	return verifyAt(k, token, now)
}

// AuthReason says why a token was turned down. The words are labels of a metric.
type AuthReason string

// The reasons.
const (
	AuthMissing   AuthReason = "missing"
	AuthMalformed AuthReason = "malformed"
	AuthSignature AuthReason = "signature" // with another secret, by another method, or not at all
	AuthExpired   AuthReason = "expired"
	AuthEarly     AuthReason = "not_yet_valid"
	AuthClaims    AuthReason = "claims"     // a claim is missing or out of range
	AuthArea      AuthReason = "wrong_area" // the area is not served here
	AuthLater     AuthReason = "no_key_yet" // the issuer's key cannot be had at present: not the token's fault
	AuthTicket    AuthReason = "ticket"     // forged, too late, or used before
	AuthNoMark    AuthReason = "no_mark"    // that a ticket is used cannot be noted at present
)

// AuthError says why somebody was not let in. Its text does not hold the token.
type AuthError struct {
	Reason AuthReason
	err    error // what the library says; for the log
}

// Error says what to do.
func (e *AuthError) Error() string {
	switch e.Reason {
	case AuthMissing:
		return "send a token: Authorization: Bearer at the upgrade, or token in hello"
	case AuthExpired:
		return "the token has expired: fetch a new one"
	case AuthEarly:
		return "the token is not valid yet: look at the clock of whoever made it"
	case AuthArea:
		return "the token is for an area that is not served here: sign in again"
	case AuthLater:
		return "the key of the token cannot be fetched at present: come back later"
	case AuthTicket:
		return "the ticket is not good, or was used before: fetch a new one"
	case AuthNoMark:
		return "tickets cannot be taken at present: come back later"
	}
	return "the token is not one of this server: sign in again"
}

// Unwrap returns the cause.
func (e *AuthError) Unwrap() error { return e.err }

// word is the reason as a client that tried to connect is told it.
func (e *AuthError) word() string {
	switch e.Reason {
	case AuthExpired:
		return "token_expired"
	case AuthArea:
		return "wrong_area"
	case AuthLater, AuthNoMark:
		return "unavailable"
	}
	return "bad_token"
}

// close is how a connection ends that showed such a token in its hello.
func (e *AuthError) close() wire.CloseCode {
	switch e.Reason {
	case AuthExpired:
		return wire.CloseExpired
	case AuthArea:
		return wire.CloseWrongArea
	case AuthLater, AuthNoMark:
		return wire.CloseFull // the only code that says: later, not now
	}
	return wire.CloseBadToken
}

// status is how an upgrade is answered that brought such a token.
func (e *AuthError) status() int {
	switch e.Reason {
	case AuthArea:
		return http.StatusForbidden
	case AuthLater, AuthNoMark:
		return http.StatusServiceUnavailable
	}
	return http.StatusUnauthorized
}

// authReason sorts the errors of the token library.
func authReason(err error) AuthReason {
	for _, row := range []struct {
		is     error
		reason AuthReason
	}{
		{jwt.ErrTokenMalformed, AuthMalformed},
		{jwt.ErrTokenUnverifiable, AuthSignature},
		{jwt.ErrTokenSignatureInvalid, AuthSignature},
		{jwt.ErrTokenRequiredClaimMissing, AuthClaims},
		{jwt.ErrTokenInvalidAudience, AuthClaims},
		{jwt.ErrTokenExpired, AuthExpired},
		{jwt.ErrTokenUsedBeforeIssued, AuthEarly},
		{jwt.ErrTokenNotValidYet, AuthEarly},
	} {
		if errors.Is(err, row.is) {
			return row.reason
		}
	}
	return AuthClaims
}

// authenticate judges a token and finds its area.
func (h *Hub) authenticate(token string) (*party, *AuthError) {
	claims, failed := h.judge(token)
	if failed != nil {
		return nil, failed
	}
	return h.partyOf(claims)
}

// judge judges a token at this moment.
func (h *Hub) judge(token string) (Claims, *AuthError) {
	claims, err := h.cfg.Auth.Authenticate(token, h.cfg.Now())
	if err != nil {
		return Claims{}, asAuthError(err)
	}
	return claims, nil
}

// asAuthError is err, or says that the claims are at fault: whoever implements [Authenticator] may give other errors.
func asAuthError(err error) *AuthError {
	failed := &AuthError{Reason: AuthClaims, err: err}
	errors.As(err, &failed)
	return failed
}

// partyOf finds the area of whom a token or ticket names.
func (h *Hub) partyOf(claims Claims) (*party, *AuthError) {
	area, ok := h.cfg.Areas(claims.Area)
	if !ok {
		return nil, &AuthError{Reason: AuthArea}
	}
	return newParty(claims, area), nil
}

// bearerOf returns the token of an upgrade, and whether there was one. Another
// scheme than Bearer is a token that no one can read.
func bearerOf(r *http.Request) (token string, ok bool) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", false
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return "", true
	}
	return strings.TrimSpace(token), true
}
