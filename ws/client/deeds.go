package client

import "cuntong/ws/wire"

// nowMS is how long ago a deed may have been done to go out as one of now.
const nowMS = 2000

// isDeed says whether a command tells of something that was done, whether the server
// hears of it or not. It is kept with its time and number; these go out only when it
// was not just now, since the server knows now better.
func (m *mind) isDeed(t wire.Type) bool {
	if m.role != wire.RoleDriver {
		return false
	}
	switch t {
	case wire.TypeArrive, wire.TypeStart, wire.TypeComplete, wire.TypePaid, wire.TypeRelease, wire.TypeCancel:
		return true
	}
	return false
}

// stamp puts the time and the number of a deed into its frame.
func stamp(body any, at, seq int64) any {
	switch b := body.(type) {
	case wire.Arrive:
		b.At, b.Seq = at, seq
		return b
	case wire.Start:
		b.At, b.Seq = at, seq
		return b
	case wire.Complete:
		b.At, b.Seq = at, seq
		return b
	case wire.Paid:
		b.At, b.Seq = at, seq
		return b
	case wire.Release:
		b.At, b.Seq = at, seq
		return b
	case wire.Cancel:
		b.At, b.Seq = at, seq
		return b
	}
	return body
}

// shown is the state of a trip as its driver sees it: the server's, and what he has
// done since.
func (m *mind) shown(trip, state string) string {
	for _, c := range m.calls {
		if c.Trip != trip {
			continue
		}
		switch c.Type {
		case wire.TypeAccept:
			state = wire.StateAssigned
		case wire.TypeArrive:
			state = wire.StateArrived
		case wire.TypeStart:
			state = wire.StateRiding
		case wire.TypeComplete:
			state = wire.StateCompleted
		case wire.TypeCancel:
			state = wire.StateCancelled
		case wire.TypeRelease:
			state = wire.StateRequested
		}
	}
	return state
}
