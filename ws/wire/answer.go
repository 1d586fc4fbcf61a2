package wire

// Done answers a command that took effect, now or when it first came.
type Done struct {
	// Trip, Version and State are absent for commands about duty.
	Trip    string `json:"trip,omitzero"`
	Version int64  `json:"version,omitzero"`
	State   string `json:"state,omitzero"`
}

// Refused answers what did not take effect: a command, or (without re) a frame
// that has no id.
type Refused struct {
	// Kind is one of the kinds below and says what to do.
	Kind string `json:"kind"`
	// Code is a short stable word for programs.
	Code string `json:"code"`
	// Say is a sentence for people.
	Say string `json:"say"`
	// Field is the path of the field that is wrong, such as "b.pickup.lat".
	Field string `json:"field,omitzero"`
	// RetryAfterMS is how long to wait before the same command may succeed; 0 when waiting is of no use or not needed.
	RetryAfterMS int64  `json:"retry_after_ms,omitzero"`
	Trip         string `json:"trip,omitzero"`
}

// The kinds of refusal.
const (
	KindInvalid     = "invalid"
	KindNotFound    = "not_found"
	KindConflict    = "conflict"
	KindLapsed      = "lapsed"
	KindForbidden   = "forbidden"
	KindLimited     = "limited"
	KindUnavailable = "unavailable"
)
