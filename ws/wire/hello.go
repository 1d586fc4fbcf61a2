package wire

// Hello opens a connection. It is the first frame and comes once.
type Hello struct {
	// Token is the bearer token, when the upgrade carried none.
	Token string `json:"token,omitzero"`
	// NowMS is the phone's clock, Unix ms. The server measures later times of
	// this phone against it, so that a wrong clock does no harm.
	NowMS int64 `json:"now_ms"`
	// Client names the program and its version, for the server's log.
	Client string `json:"client,omitzero"`
	// Receipts are those that the client keeps, as they came with its trips; at most
	// [MaxReceipts].
	Receipts []string `json:"receipts,omitzero"`
	// Known are trips that the client holds whole, with their newest version: what it
	// has is not told again. At most [MaxKnown].
	Known []Held `json:"known,omitzero"`
	// Lean says that a trip of which the order is known may come without it.
	Lean bool `json:"lean,omitzero"`
	// Confirms says that the client confirms each offer with [Seen].
	Confirms bool `json:"confirms,omitzero"`
	// Device names the phone or desk, the same each time.
	Device string `json:"device,omitzero"`
}

// Held is a trip that a client holds, and its version.
type Held struct {
	Trip    string `json:"trip"`
	Version int64  `json:"version"`
}

// Renew shows a new token of the same party before the old one ends, so that the
// connection may stay.
type Renew struct {
	Token string `json:"token"`
}

// Logout ends the session of this connection, or with Everywhere all of the party's:
// tokens issued before are of no use any more.
type Logout struct {
	Everywhere bool `json:"everywhere,omitzero"`
}

// Welcome answers a good hello.
type Welcome struct {
	// Session names this connection in the server's log.
	Session string `json:"session"`
	Role    string `json:"role"`
	ID      string `json:"id"`
	// Area is the service area that the party belongs to.
	Area string `json:"area"`
	// ServerTime is Unix ms.
	ServerTime int64 `json:"server_time"`
	// HeartbeatS is how often the server pings, in seconds, until it says otherwise
	// with [Heartbeat].
	HeartbeatS    int    `json:"heartbeat_s"`
	MaxFrameBytes int    `json:"max_frame_bytes"`
	Protocol      string `json:"protocol"`
}

// Truth is everything that concerns the party at one moment. A client throws
// away what it held and starts from this.
type Truth struct {
	// At is Unix ms.
	At int64 `json:"at"`
	// Duty is there for a driver on duty.
	Duty *DutyState `json:"duty,omitzero"`
	// Offer is the live offer to a driver, if any.
	Offer *Offer `json:"offer,omitzero"`
	// Trips are the party's open trips, oldest first; at most [MaxTruthTrips].
	Trips []Trip `json:"trips"`
	// Same are open trips of the party that the client said it knows, and that are as
	// it knows them. They and Trips together are everything.
	Same []string `json:"same,omitzero"`
}

// Heartbeat says how often the server pings from now on, and after how long without a
// word either side takes the connection for dead.
type Heartbeat struct {
	EveryS  int `json:"every_s"`
	SilentS int `json:"silent_s"`
}

// Drain says that the server is about to close the connection on purpose.
type Drain struct {
	// ComeBackAfterMS is how long to wait after the close. The server draws it at
	// random for each client, so that they do not all return at once.
	ComeBackAfterMS int64 `json:"come_back_after_ms"`
}

// Ping asks for a [Pong], for clients that cannot send WebSocket pings.
type Ping struct{}

// Pong answers a [Ping].
type Pong struct{}
