package wire

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// PB is the codec of [SubprotocolPB]: the frames of cuntong.v1 in protobuf, as
// pb/cuntong.proto has them. It says what [JSON] says, in a sixth of the bytes or so;
// what is measured is rounded to what is worth its bytes (see the .proto).
//
// One judge decides on clients' frames in either: see pbclient.go.
var PB Codec = pbCodec{}

type pbCodec struct{}

func (pbCodec) Subprotocol() string                            { return SubprotocolPB }
func (pbCodec) Binary() bool                                   { return true }
func (pbCodec) DecodeClient(frame []byte) (ClientFrame, error) { return decodePBClient(frame) }
func (pbCodec) DecodeServer(frame []byte) (ServerFrame, error) { return decodePBServer(frame) }

func (pbCodec) DecodePosition(frame []byte, p *Position) (bool, error) {
	return decodePBPosition(frame, p)
}

func (pbCodec) AppendServer(dst []byte, t Type, re string, body any) ([]byte, error) {
	return appendPBServer(dst, t, re, body)
}

func (pbCodec) EncodeClient(t Type, id string, body any) ([]byte, error) {
	return encodePBClient(t, id, body)
}

// decodePBPosition is [DecodePosition] for [PB]. Like that it reads what clients really
// send, and leaves to the judge what is odd or wrong.
func decodePBPosition(frame []byte, p *Position) (bool, error) {
	switch found, verdict := scanPBPosition(frame); verdict {
	case scanned:
		*p = found
		return true, nil
	case otherType:
		return false, nil
	}
	f, err := decodePBClient(frame)
	if f.Type != TypePosition {
		return false, nil
	}
	if err == nil {
		*p = f.Body.(Position)
	}
	return true, err
}

// scanPBPosition reads a frame that holds a position and nothing else.
func scanPBPosition(frame []byte) (p Position, _ verdict) {
	if len(frame) > MaxFrameBytes {
		return p, odd
	}
	for left, fields := frame, 0; ; fields++ {
		number, form, n := protowire.ConsumeTag(left)
		if len(left) == 0 && fields > 0 {
			return p, otherType
		}
		if n < 0 {
			return p, odd
		}
		if t := pbTypeNumbered(pbClientTypes, number); t != nil && t.name == TypePosition {
			body, m := protowire.ConsumeBytes(left[n:])
			if fields > 0 || form != protowire.BytesType || m < 0 || n+m != len(left) {
				return p, odd
			}
			p.Datum = t.datum
			if !scanPBBody(body, &p) || p.check() != nil {
				return p, odd
			}
			return p, scanned
		}
		m := protowire.ConsumeFieldValue(number, form, left[n:])
		if m < 0 {
			return p, odd
		}
		left = left[n+m:]
	}
}

// scanPBBody reads the members of a position, each once, and says whether they are
// such as the judge accepts.
func scanPBBody(b []byte, p *Position) bool {
	var seen uint8
	for len(b) > 0 {
		number, form, n := protowire.ConsumeTag(b)
		if n < 0 || number < 1 || number > 6 || seen&(1<<number) != 0 {
			return false
		}
		seen |= 1 << number
		b = b[n:]
		var v uint64
		switch {
		case number == 1 && form == protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		case number > 1 && form == protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		default:
			return false
		}
		if n < 0 || number > 1 && v > math.MaxInt64 {
			return false
		}
		b = b[n:]
		if !storePBPosition(p, number, v) {
			return false
		}
	}
	return seen&0b110 == 0b110
}

// storePBPosition keeps one member and says whether it is within its range.
func storePBPosition(p *Position, number protowire.Number, v uint64) bool {
	switch number {
	case 1:
		p.Lat, p.Lon = float64(int32(v>>32))/1e6, float64(int32(v))/1e6
		return math.Abs(p.Lat) <= maxLat && math.Abs(p.Lon) <= maxLon
	case 2:
		p.At = int64(v)
		return p.At >= instant.low && p.At <= instant.high
	case 3:
		p.AccuracyM = Some(float64(v) / 10)
		return p.AccuracyM.Value <= maxAccuracyM
	case 4:
		p.HeadingDeg = Some(float64(v))
		return p.HeadingDeg.Value <= maxHeadingDeg
	case 5:
		p.SpeedMPS = Some(float64(v) / 10)
		return p.SpeedMPS.Value <= maxSpeedMPS
	}
	p.Mock = v == 1
	return v <= 1
}
