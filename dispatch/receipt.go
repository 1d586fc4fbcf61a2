package dispatch

// Receipt is what a party was told of a trip, as its phone kept it. The hub has
// checked that this server said so.
type Receipt struct {
	Trip    TripID
	Version Version
	State   State
	Driver  DriverID // bound to it then; empty: nobody
	At      Instant  // when it was told
}

// MaxReceipts bounds the receipts of a [Hello]; more are not looked at.
const MaxReceipts = 20

// ReceiptResult says what came of a receipt. The names are metric labels.
type ReceiptResult string

// The results.
const (
	ReceiptKnown     ReceiptResult = "known"         // the ledger knows as much
	ReceiptLifted    ReceiptResult = "behind_lifted" // the ledger had lost something; the version was put right
	ReceiptRecovered ReceiptResult = "recovered"     // the ledger had lost something; state and driver were put right as well
	ReceiptConflict  ReceiptResult = "conflict"      // the ledger had lost something that cannot be put right any more
	ReceiptUnknown   ReceiptResult = "unknown"       // the ledger has lost the trip
)

// TripRecovered: a party has shown that the ledger had lost facts about a trip. It
// is the one fact that raises a version by more than one.
type TripRecovered struct {
	Trip TripID `json:"trip"`
	// Version is what the trip has from now on: above that of the receipt.
	Version Version `json:"version"`
	// State is what the trip goes forward to; empty: it stays in the one it is in.
	State State `json:"state,omitempty"`
	// Driver drives it, or has driven it.
	Driver DriverID `json:"driver,omitempty"`
	// ETA is when he is expected at the pickup.
	ETA Instant `json:"eta,omitempty"`
	// Deadline is the trip's in the new state.
	Deadline Instant `json:"deadline,omitempty"`
	// By is whose receipt it was.
	By Actor `json:"by"`
}
