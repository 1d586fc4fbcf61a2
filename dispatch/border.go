package dispatch

// BorderEvent is something that happened between two areas. The names are metric labels.
type BorderEvent string

// The events.
const (
	BorderAsked     BorderEvent = "asked"     // a neighbour was asked for a quote
	BorderQuoted    BorderEvent = "quoted"    // a neighbour was answered with a driver
	BorderBorrowed  BorderEvent = "borrowed"  // a driver was asked for
	BorderLent      BorderEvent = "lent"      // a driver was released for a neighbour's trip
	BorderDenied    BorderEvent = "denied"    // a driver was asked for in vain
	BorderCrossed   BorderEvent = "crossed"   // a driver was released to where he has driven
	BorderAdmitted  BorderEvent = "admitted"  // a driver was taken in
	BorderRepeated  BorderEvent = "repeated"  // a driver who had been taken in was handed over again
	BorderResent    BorderEvent = "resent"    // a driver is handed over again, because nobody has answered
	BorderFull      BorderEvent = "full"      // too much is under way: nobody was asked, or released
	BorderForgotten BorderEvent = "forgotten" // where a driver has gone was forgotten, for want of room
)
