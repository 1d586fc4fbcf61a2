package dispatch

// Asker returns who gave an input, under what id, and of which trip it speaks: what
// an answer to it must name. By is empty for what no party gave: positions, the
// passing of time, and letters from other areas.
func Asker(in Input) (by Actor, id CommandID, trip TripID) {
	switch in := in.(type) {
	case Hello:
		return in.By, "", ""
	case Watch:
		return in.By, "", ""
	case AskRoute:
		return in.By, "", in.Trip
	case AskNearby:
		return in.By, "", ""
	}
	cmd, trip := commandOf(in)
	return cmd.By, cmd.ID, trip
}
