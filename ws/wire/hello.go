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
	// HeartbeatS is how often the server pings, in seconds.
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
