package wire

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error says what is wrong with a frame and what to do about it. It may be told
// to the client as it is: it never holds more of the frame than a short, quoted
// piece without control characters.
type Error struct {
	// Code is one of the codes below.
	Code string
	// Field is the path of the field in the frame, such as "b.pickup.lat"; "" for the frame as a whole.
	Field string
	// Say is a sentence for the people who write the client.
	Say string
}

// Error returns code, field and sentence.
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Code + ": " + e.Say
	}
	return e.Code + " at " + e.Field + ": " + e.Say
}

// Refused returns e as the body of a refusal.
func (e *Error) Refused() Refused {
	return Refused{Kind: KindInvalid, Code: e.Code, Field: e.Field, Say: e.Say}
}

// Close returns the code to close the connection with at once, for the errors
// that RFC 6455 wants answered so. For all others ok is false: the frame is
// refused and the connection goes on.
func (e *Error) Close() (code CloseCode, ok bool) {
	switch e.Code {
	case CodeTooBig:
		return CloseTooBig, true
	case CodeBadUTF8:
		return CloseBadUTF8, true
	}
	return 0, false
}

// The codes of [DecodeClient], in the order in which a frame is examined.
const (
	CodeTooBig         = "too_big"
	CodeBadUTF8        = "bad_utf8"
	CodeTooDeep        = "too_deep"
	CodeBadJSON        = "bad_json"
	CodeDuplicateField = "duplicate_field"
	CodeUnknownField   = "unknown_field"
	CodeMissingField   = "missing_field"
	CodeUnknownType    = "unknown_type"
	CodeMissingID      = "missing_id"
	CodeBadID          = "bad_id"
	CodeWrongType      = "wrong_type"
	CodeBadValue       = "bad_value"
	CodeBadText        = "bad_text"
	CodeTooLong        = "too_long"
	CodeOutOfRange     = "out_of_range"
	CodeUntaggedDatum  = "untagged_datum"
	CodeBadPlace       = "bad_place"
	CodeSamePlace      = "same_place"
)

// The codes that the edge gives, knowing who asks and what exists.
const (
	CodeUnknownVillage = "unknown_village"
	CodeNotYours       = "not_yours"
	CodeRole           = "role"
	CodeRate           = "rate"
	CodeBadToken       = "bad_token"
	CodeTokenExpired   = "token_expired"
	CodeOtherParty     = "other_party"
	CodeNoKeyYet       = "no_key_yet"
)

// CodeInfo is one row of the table of refusal codes.
type CodeInfo struct {
	Code string
	// Kind is the kind of the refusals that carry the code.
	Kind string
	// Means says what was wrong, in a sentence.
	Means string
}

var codes = []CodeInfo{
	{CodeTooBig, KindInvalid, "The frame is longer than 4,096 bytes. The connection closes with 1009."},
	{CodeBadUTF8, KindInvalid, "The frame is not UTF-8. The connection closes with 1007."},
	{CodeTooDeep, KindInvalid, "Objects or arrays are nested deeper than 6."},
	{CodeBadJSON, KindInvalid, "The frame is not exactly one JSON object, or in the compact wire not one ClientFrame."},
	{CodeDuplicateField, KindInvalid, "A field comes twice in one object."},
	{CodeUnknownField, KindInvalid, "This message has no such field. Names are case-sensitive."},
	{CodeMissingField, KindInvalid, "A required field is absent."},
	{CodeUnknownType, KindInvalid, "Clients send no message of this type."},
	{CodeMissingID, KindInvalid, "A command has no id."},
	{CodeBadID, KindInvalid, "An id is empty, too long, or has other characters than A-Z a-z 0-9 - _ . : @."},
	{CodeWrongType, KindInvalid, "A value is of the wrong JSON type, such as a number in quotes, or null."},
	{CodeBadValue, KindInvalid, "A value is none of those in the list for this field, or a list of such values is empty or has one twice."},
	{CodeBadText, KindInvalid, "A text has a line break or another control character in it."},
	{CodeTooLong, KindInvalid, "A text is longer than its field allows."},
	{CodeOutOfRange, KindInvalid, "A number is outside its range, or two times contradict each other."},
	{CodeUntaggedDatum, KindInvalid, "Coordinates came without their datum."},
	{CodeBadPlace, KindInvalid, "A place mixes its two forms, or is neither."},
	{CodeSamePlace, KindInvalid, "Pickup and drop-off are the same place."},
	{CodeUnknownVillage, KindNotFound, "The area has no such village, or the village no such stop."},
	{CodeNotYours, KindForbidden, "The trip or offer belongs to somebody else."},
	{CodeRole, KindForbidden, "Your role may not send this, or may not give this reason or channel."},
	{CodeRate, KindLimited, "You send too fast, or too many of your commands wait for an answer. Wait retry_after_ms."},
	{CodeBadToken, KindForbidden, "The token in renew is malformed, or not one of this server or its issuer. The connection goes on with the old one."},
	{CodeTokenExpired, KindForbidden, "The token in renew has ended. The connection goes on with the old one."},
	{CodeOtherParty, KindForbidden, "The token in renew is somebody else's, for another area or vehicle, or older than the one in use. Connect anew with it."},
	{CodeNoKeyYet, KindUnavailable, "The key of the token in renew cannot be fetched from its issuer at present. Wait retry_after_ms and send it again."},
}

// Codes returns the table of this protocol's own refusal codes. The dispatcher
// has further ones; docs/PROTOCOL.md lists both.
func Codes() []CodeInfo { return slices.Clone(codes) }

// under puts the name of the enclosing field before the path.
func (e *Error) under(name string) *Error {
	if e.Field == "" {
		e.Field = name
	} else {
		e.Field = name + "." + e.Field
	}
	return e
}

// maxPiece is how many characters of a frame an error may repeat at a time.
const maxPiece = 32

// piece returns the beginning of s in quotes, fit to be shown: what is not
// printable is escaped.
func piece(s string) string {
	return strconv.Quote(shorten(s))
}

func shorten(s string) string {
	count := 0
	for i := range s {
		if count == maxPiece {
			return s[:i] + "…"
		}
		count++
	}
	return s
}

// pathName returns a member's name for use in a path: bare when it looks like one
// of ours, else as a piece.
func pathName(name string) string {
	plain := name != "" && utf8.RuneCountInString(name) <= maxPiece && strings.IndexFunc(name, notInName) < 0
	if plain {
		return name
	}
	return piece(name)
}

func notInName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_')
}
