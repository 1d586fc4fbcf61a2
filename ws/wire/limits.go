package wire

import "time"

// Limits of a frame from a client. Whatever goes beyond is refused.
const (
	MaxFrameBytes = 4096 // one frame
	MaxDepth      = 6    // objects within objects, the frame itself being 1
	MaxIDBytes    = 64   // every id that a client chooses
	MaxTokenBytes = 2048 // the token in hello
	MaxNameRunes  = 64   // names of people, places and client programs
	MaxNoteRunes  = 200  // notes
	MaxPhoneRunes = 32   // telephone numbers

	// MaxRoadNoteBytes bounds the note on a change to the roads, which is counted in
	// bytes of UTF-8 where other notes are in characters.
	MaxRoadNoteBytes = 200

	// MaxOfferIDBytes bounds the ids of offers, which the server makes from a trip's id.
	MaxOfferIDBytes = 80

	MaxReceipts     = 20  // receipts in hello
	MaxReceiptBytes = 280 // of one receipt

	MaxKnown      = 50         // trips in hello's known
	MaxTrackFixes = 60         // positions of one track
	MaxFen        = 10_000_000 // cash of one trip: 100,000 yuan

	// What one party may ask for.
	MaxSeats       = 60
	MaxWheelchairs = 10
	MaxGoodsL      = 20_000
)

// Limits of a frame from the server.
const (
	// MaxServerFrameBytes bounds one frame. A client should be ready for that much.
	MaxServerFrameBytes = 2 << 20
	// MaxTruthTrips bounds the trips of one truth.
	MaxTruthTrips = 250
	// MaxNearbyCells bounds the cells of an answer to nearby.
	MaxNearbyCells = 7
)

// The pace of a connection.
const (
	HelloWait       = 30 * time.Second // from the upgrade to a hello: more than the longest round trip that is waited for
	PingEvery       = 25 * time.Second // between two WebSocket pings of the server, give or take its jitter
	SilentAfter     = 60 * time.Second // without any frame the connection counts as dead
	DutySilent      = 11 * time.Second // the same of a driver on duty
	ParkedSilent    = 9 * time.Minute  // the same of a phone on which nothing is going on
	FramesPerSecond = 20               // that a client may send in the long run
	FrameBurst      = 60               // that it may send at once
	QuestionEvery   = time.Second      // between two questions about a route, in the long run
	QuestionBurst   = 5                // that may come at once
	NearbyEvery     = 10 * time.Second // between two questions of a party about the drivers near a place, in the long run
	NearbyBurst     = 3                // that may come at once
)
