package ws

import (
	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// deed is when something was done, by the phone's clock.
func deed(at, seq int64) dispatch.Deed {
	return dispatch.Deed{DoneAt: dispatch.Instant(at), DeedSeq: uint64(seq)}
}

// tracked is the positions of a time in the dark, by the phone's clock.
func tracked(cmd dispatch.Command, b wire.Track) (dispatch.Input, *dispatch.Refusal) {
	in := dispatch.Tracked{Command: cmd, Driver: cmd.By.Driver(), Fixes: make([]dispatch.Fix, len(b.Fixes))}
	for i, f := range b.Fixes {
		point, err := geo.ToWGS84(geo.Point{Lat: f.Lat, Lon: f.Lon}, geo.Datum(b.Datum))
		if err != nil {
			return nil, refusePoint(err)
		}
		in.Fixes[i] = dispatch.Fix{
			Driver:         in.Driver,
			Point:          point,
			At:             dispatch.Instant(f.At),
			AccuracyMeters: geo.Meters(f.AccuracyM.Or(0)),
			HeadingDegrees: f.HeadingDeg.Or(-1),
			SpeedMPS:       f.SpeedMPS.Or(-1),
			Mock:           f.Mock,
		}
	}
	return in, nil
}

// onOurClock moves the moments at which a phone says that it did something, or was
// somewhere, onto the server's clock; behind is by how many ms the phone's is. What would
// lie in the future is now.
func onOurClock(in dispatch.Input, behind int64, now dispatch.Instant) dispatch.Input {
	ours := func(phone dispatch.Instant) dispatch.Instant {
		return min(phone+dispatch.Instant(behind), now)
	}
	moved := func(d dispatch.Deed) dispatch.Deed {
		if d.DoneAt != 0 {
			d.DoneAt = ours(d.DoneAt)
		}
		return d
	}
	switch in := in.(type) {
	case dispatch.Arrive:
		in.Deed = moved(in.Deed)
		return in
	case dispatch.Start:
		in.Deed = moved(in.Deed)
		return in
	case dispatch.Complete:
		in.Deed = moved(in.Deed)
		return in
	case dispatch.Release:
		in.Deed = moved(in.Deed)
		return in
	case dispatch.Cancel:
		in.Deed = moved(in.Deed)
		return in
	case dispatch.Paid:
		in.Deed = moved(in.Deed)
		return in
	case dispatch.Tracked:
		for i := range in.Fixes { // made for this frame alone
			in.Fixes[i].At, in.Fixes[i].Received = ours(in.Fixes[i].At), now
		}
		return in
	}
	return in
}
