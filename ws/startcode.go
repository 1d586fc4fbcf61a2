package ws

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"

	"cuntong/dispatch"
	"cuntong/geo"
)

// StartCodes is how the start codes of an area are made from this secret: see [dispatch.StartCodes].
func (k Key) StartCodes(area geo.AreaID) func(dispatch.TripID) string {
	return dispatch.StartCodes(k.secret, area)
}

// What start_check is made with; clients rely on all three.
const (
	// checkRounds is how often the hash is repeated. With 2,000 a check takes less than a
	// millisecond here and a few on an old phone. It keeps the digits from being read off a
	// screen or out of a log. It does not keep them from a driver who takes his program
	// apart: ten thousand codes are tried in seconds, and no number of rounds that a phone
	// can bear would change that. What he would gain is to drive off without the party.
	checkRounds = 2000
	checkSalt   = 8 // bytes
	checkHash   = 8 // bytes
)

// startCheck lets the program of the driver check a start code without a connection: a
// salt and the PBKDF2-HMAC-SHA256 (RFC 8018) of the code, each in base64url, with a dot
// between. The salt is the trip's, so that the same trip is always told the same.
func startCheck(trip dispatch.TripID, code string) string {
	sum := sha256.Sum256([]byte("start check|" + trip))
	salt := sum[:checkSalt]
	hash, err := pbkdf2.Key(sha256.New, code, salt, checkRounds, checkHash)
	if err != nil {
		return "" // only where FIPS 140 is enforced, which has longer salts; the server checks the code all the same
	}
	return base64.RawURLEncoding.EncodeToString(salt) + "." + base64.RawURLEncoding.EncodeToString(hash)
}
