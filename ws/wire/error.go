package wire

// Error says what is wrong with a frame and what to do about it. It may be told
// to the client as it is: it never holds more of the frame than a short, quoted
// piece without control characters.
type Error struct {
	// Code is one of the codes of [Codes].
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

// The codes of refusals that this protocol itself gives. The dispatcher has codes of its own.
const (
	CodeTooBig         = "too_big"
	CodeBadUTF8        = "bad_utf8"
	CodeTooDeep        = "too_deep"
	CodeBadJSON        = "bad_json"
	CodeDuplicateField = "duplicate_field"
	CodeUnknownType    = "unknown_type"
	CodeUnknownField   = "unknown_field"
	CodeMissingField   = "missing_field"
	CodeMissingID      = "missing_id"
	CodeBadID          = "bad_id"
	CodeWrongType      = "wrong_type"
	CodeOutOfRange     = "out_of_range"
	CodeTooLong        = "too_long"
	CodeBadText        = "bad_text"
	CodeBadValue       = "bad_value"
	CodeBadPlace       = "bad_place"
	CodeUntaggedDatum  = "untagged_datum"
	CodeSamePlace      = "same_place"

	CodeUnknownVillage = "unknown_village"
	CodeNotYours       = "not_yours"
	CodeRole           = "role"
	CodeRate           = "rate"
)
