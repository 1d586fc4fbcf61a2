package wire

import (
	"slices"
	"time"
)

// CloseCode is the status code of a WebSocket close.
type CloseCode int

// The codes the server closes with. From 4500 on a client must not come back as
// it is; see [CloseCode.ComeBack].
const (
	CloseGoingAway CloseCode = 1001
	CloseBroken    CloseCode = 1002
	CloseBinary    CloseCode = 1003
	CloseBadUTF8   CloseCode = 1007
	CloseTooBig    CloseCode = 1009

	CloseDrain   CloseCode = 4001
	CloseSlow    CloseCode = 4008
	CloseNoHello CloseCode = 4010
	CloseSilent  CloseCode = 4012
	CloseFlood   CloseCode = 4013
	CloseFull    CloseCode = 4014

	CloseBadToken  CloseCode = 4500
	CloseProtocol  CloseCode = 4501
	CloseSignedOut CloseCode = 4502
	CloseExpired   CloseCode = 4503
	CloseReplaced  CloseCode = 4504
	CloseWrongArea CloseCode = 4505
	CloseBarred    CloseCode = 4506
)

// CloseInfo is one row of the table of close codes.
type CloseInfo struct {
	Code CloseCode
	// Reason is what the close frame carries: short, stable, in English.
	Reason string
	// ComeBack says whether the same client with the same token may connect again.
	ComeBack bool
	// Wait is the least time before it does; the client's own random back-off comes on top.
	Wait time.Duration
	// Do is what the client should do, in a sentence.
	Do string
}

var closeCodes = []CloseInfo{
	{CloseGoingAway, "going away", true, 0, "The server stops. Come back with the usual back-off."},
	{CloseBroken, "not a websocket frame", true, 10 * time.Second, "What came was not as RFC 6455 has it. If it happens again, it is a mistake in the client or in a proxy between."},
	{CloseBinary, "wrong kind of message", false, 0, "Send text messages in cuntong.v1.json, binary ones in cuntong.v1.pb. This is a mistake in the client."},
	{CloseBadUTF8, "bad utf-8", false, 0, "Send UTF-8. This is a mistake in the client."},
	{CloseTooBig, "frame too big", false, 0, "Keep frames within 4,096 bytes. This is a mistake in the client."},
	{CloseDrain, "drain", true, 0, "The server moves its work elsewhere. Come back after the come_back_after_ms of the drain frame."},
	{CloseSlow, "slow", true, time.Second, "You did not read fast enough. Come back; the truth brings you up to date."},
	{CloseNoHello, "no hello", true, time.Second, "Send hello within 30 s of connecting."},
	{CloseSilent, "silent", true, 0, "Nothing was heard of you for 60 s, or for 11 s on duty. Come back with the usual back-off."},
	{CloseFlood, "too many frames", true, 10 * time.Second, "You sent more than the rate allows, or a frame took longer than 10 s to come. Slow down before you come back."},
	{CloseFull, "server full", true, 30 * time.Second, "No room at present, or too many connect at once. Come back after the come_back_after_ms of the drain frame, or later."},
	{CloseBadToken, "bad token", false, 0, "The token is missing, malformed or not signed by this server. Sign in again."},
	{CloseProtocol, "protocol broken", false, 0, "Hello was missing or came twice, or too many frames were malformed. This is a mistake in the client."},
	{CloseSignedOut, "signed out", false, 0, "You have signed out, here or everywhere. Sign in again."},
	{CloseExpired, "token expired", false, 0, "Fetch a new token, then connect with it."},
	{CloseReplaced, "replaced", false, 0, "The same party has connected elsewhere. Come back only when a person asks for it."},
	{CloseWrongArea, "wrong area", false, 0, "The token is for an area that is not served here. Sign in again to learn the right server."},
	{CloseBarred, "barred", false, 0, "An operator has barred you. Tell the person, who may ask the county's desk."},
}

// CloseCodes returns the table of close codes, in rising order.
func CloseCodes() []CloseInfo { return slices.Clone(closeCodes) }

// ComeBack says whether a client should connect again after a close with c. For
// codes outside the table, such as 1006 for a connection that just broke, it
// says yes unless c lies in 4500–4999: a new server may know a new code.
func (c CloseCode) ComeBack() bool {
	for _, info := range closeCodes {
		if info.Code == c {
			return info.ComeBack
		}
	}
	return c < 4500 || c > 4999
}

// Reason returns the words that go into the close frame, "" for a code outside the table.
func (c CloseCode) Reason() string {
	for _, info := range closeCodes {
		if info.Code == c {
			return info.Reason
		}
	}
	return ""
}
