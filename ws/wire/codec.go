package wire

// Codec is one way of writing the frames of cuntong.v1. All say the same and judge
// alike; a connection keeps to the one that its upgrade agreed on. Codecs hold no
// state and may be used from any goroutine.
type Codec interface {
	// Subprotocol is what a WebSocket client asks for.
	Subprotocol() string
	// Binary says that a frame is a binary message; else it is a text message.
	Binary() bool
	// DecodeClient reads a frame from a client as [DecodeClient] does.
	DecodeClient(frame []byte) (ClientFrame, error)
	// DecodePosition reads a position without allocating, as [DecodePosition] does.
	DecodePosition(frame []byte, p *Position) (bool, error)
	// AppendServer writes a frame of the server as [AppendServer] does.
	AppendServer(dst []byte, t Type, re string, body any) ([]byte, error)
	// EncodeClient writes a frame of a client as [EncodeClient] does.
	EncodeClient(t Type, id string, body any) ([]byte, error)
	// DecodeServer reads a frame from the server as [DecodeServer] does.
	DecodeServer(frame []byte) (ServerFrame, error)
}

// JSON is the codec of [Subprotocol]: this package's functions of the same names.
var JSON Codec = jsonCodec{}

// codecs are all there are.
var codecs = []Codec{JSON, PB}

// CodecOf returns the codec that a subprotocol names, false when there is none.
func CodecOf(subprotocol string) (Codec, bool) {
	for _, c := range codecs {
		if c.Subprotocol() == subprotocol {
			return c, true
		}
	}
	return nil, false
}

type jsonCodec struct{}

func (jsonCodec) Subprotocol() string                            { return Subprotocol }
func (jsonCodec) Binary() bool                                   { return false }
func (jsonCodec) DecodeClient(frame []byte) (ClientFrame, error) { return DecodeClient(frame) }
func (jsonCodec) DecodeServer(frame []byte) (ServerFrame, error) { return DecodeServer(frame) }

func (jsonCodec) DecodePosition(frame []byte, p *Position) (bool, error) {
	return DecodePosition(frame, p)
}

func (jsonCodec) AppendServer(dst []byte, t Type, re string, body any) ([]byte, error) {
	return AppendServer(dst, t, re, body)
}

func (jsonCodec) EncodeClient(t Type, id string, body any) ([]byte, error) {
	return EncodeClient(t, id, body)
}
