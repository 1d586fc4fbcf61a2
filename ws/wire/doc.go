// Package wire is the protocol between phones and the server.
//
// The flow of one connection:
//
//	phone                                 server
//	  │  GET /ws, subprotocol cuntong.v1.json │
//	  │ ────────────────────────────────────► │
//	  │  hello                                │   first frame, within 30 s
//	  │ ────────────────────────────────────► │
//	  │                              welcome  │   who you are, how often to be heard
//	  │ ◄──────────────────────────────────── │
//	  │                                truth  │   everything that concerns you, now
//	  │ ◄──────────────────────────────────── │
//	  │  commands, positions                  │
//	  │ ────────────────────────────────────► │
//	  │         done or refused; what happens │
//	  │ ◄──────────────────────────────────── │
//
// Every frame is one JSON object in one text message:
//
//	phone → server  {"t":"accept","id":"c-17","b":{"trip":"t-1","offer":"t-1.1"}}
//	server → phone  {"t":"done","re":"c-17","b":{"trip":"t-1","version":3,"state":"assigned"}}
//
// docs/PROTOCOL.md says it all for people who write clients; its examples are the
// golden files of this package.
//
// The two directions are read in opposite spirits. [DecodeClient] is strict: what
// it does not know it refuses, so that a client's mistake shows on the first day.
// [DecodeServer] is tolerant: what it does not know it leaves out, so that an old
// phone lives with a newer server.
//
// The package imports nothing of this project and uses plain strings and numbers;
// the edge (package ws) turns them into the domain's types. All functions may be
// called from any goroutine.
//
// # History
//
//	1  the first
package wire

// Version is the version of the protocol. It rises only when an old client could
// misunderstand a new server; new fields and new message types do not raise it.
const Version = 1

const (
	// Protocol names the protocol and its version, whatever the encoding.
	Protocol = "cuntong.v1"
	// Subprotocol is what a WebSocket client asks for: the protocol in JSON.
	Subprotocol = "cuntong.v1.json"
	// SubprotocolPB is the same in protobuf, for links on which bytes are dear.
	SubprotocolPB = "cuntong.v1.pb"
)
