package ws

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"cuntong/ws/wire"
)

// codecOfTest is what the phones of a test speak: JSON, but for those within TestInPB.
func codecOfTest(t testing.TB) wire.Codec {
	if strings.HasPrefix(t.Name(), "TestInPB/") {
		return wire.PB
	}
	return wire.JSON
}

// The sessions that the other tests hold in JSON go the same way in the compact wire.
// Left out is what sends frames as text of its own making.
func TestInPB(t *testing.T) {
	for name, session := range map[string]func(*testing.T){
		"HelloWelcomeTruth": TestHelloWelcomeTruth, "TheTruthComesFirst": TestTheTruthComesFirst, "NewestDriverWins": TestNewestDriverWins,
		"FifthPhoneOfAPassenger": TestFifthPhoneOfAPassenger, "AnswerGoesToThePhoneThatAsked": TestAnswerGoesToThePhoneThatAsked,
		"TellersOfOtherAreas": TestTellersOfOtherAreas, "RefusedAtOnce": TestRefusedAtOnce, "TooManyCommandsWait": TestTooManyCommandsWait,
		"Duplicates": TestDuplicates, "DriverIsLent": TestDriverIsLent, "Drain": TestDrain, "PositionReachesTheSlot": TestPositionReachesTheSlot,
		"ReceiptsComeBack": TestReceiptsComeBack, "WhoGetsReceipts": TestWhoGetsReceipts, "LostTripIsMadeKnown": TestLostTripIsMadeKnown,
		"Refresh": TestRefresh, "TruthOvertakes": TestTruthOvertakes, "RouteIsAnsweredToTheOneWhoAsked": TestRouteIsAnsweredToTheOneWhoAsked,
		"RoadIsToldToAllDesks": TestRoadIsToldToAllDesks, "Watch": TestWatch, "PingIsAnswered": TestPingIsAnswered, "PhoneClocks": TestPhoneClocks,
		"EveryRoleSendsEveryType": TestEveryRoleSendsEveryType, "TokenInHello": TestTokenInHello, "PositionsAreSignsOfLife": TestPositionsAreSignsOfLife,
		"PhoneThatNeverReads":           TestPhoneThatNeverReads,
		"TokenExpiresOnALiveConnection": TestTokenExpiresOnALiveConnection, "PositionsDoNotOverflow": TestPositionsDoNotOverflow,
	} {
		t.Run(name, session)
	}
}

// The client's order decides which of the subprotocols it is, and what is not known
// is passed over.
func TestSubprotocolByTheClientsOrder(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		asked []string
		want  string
	}{
		{[]string{wire.SubprotocolPB, wire.Subprotocol}, wire.SubprotocolPB},
		{[]string{wire.Subprotocol, wire.SubprotocolPB}, wire.Subprotocol},
		{[]string{"cuntong.v2.pb", wire.SubprotocolPB}, wire.SubprotocolPB},
		{[]string{wire.Subprotocol}, wire.Subprotocol},
	} {
		dialer := w.dialer
		dialer.Subprotocols = test.asked
		ws, _, err := dialer.Dial(w.url(), http.Header{"Authorization": {"Bearer " + w.token(passenger)}})
		if err != nil {
			t.Fatal(err)
		}
		if got := ws.Subprotocol(); got != test.want {
			t.Errorf("asked for %v, got %q", test.asked, got)
		}
		_ = ws.Close()
	}
}

// A message of the kind that the codec does not use ends the connection, before and
// after the hello.
func TestMessagesOfTheOtherKind(t *testing.T) {
	for _, codec := range []wire.Codec{wire.JSON, wire.PB} {
		for _, greeted := range []bool{false, true} {
			t.Run(codec.Subprotocol(), func(t *testing.T) {
				w := newWorld(t)
				w.codec = codec
				w.dialer.Subprotocols = []string{codec.Subprotocol()}
				p := w.dial(w.token(driver1))
				if greeted {
					p.hello()
				}
				kind := websocket.BinaryMessage
				if codec.Binary() {
					kind = websocket.TextMessage
				}
				frame, err := codec.EncodeClient(wire.TypePing, "", wire.Ping{})
				if err != nil {
					t.Fatal(err)
				}
				if err := p.ws.WriteMessage(kind, frame); err != nil {
					t.Fatal(err)
				}
				p.wantClose(wire.CloseBinary)
			})
		}
	}
}

// It is shown how many speak which.
func TestConnectionsBySubprotocol(t *testing.T) {
	w := newWorld(t)
	w.connect(driver1)
	w.codec, w.dialer.Subprotocols = wire.PB, []string{wire.SubprotocolPB}
	p := w.connect(passenger)
	for i, want := range []float64{1, 1} {
		if got := w.counted(w.hub.metrics.spoken[i]); got != want {
			t.Errorf("%v connections of %s, want %v", got, codecs[i].Subprotocol(), want)
		}
	}
	p.hangUp()
	w.eventually("the second is counted out", func() bool { return w.counted(w.hub.metrics.spoken[1]) == 0 })
}

// Frames that protobuf cannot be, and texts that are not UTF-8, are answered as in JSON.
func TestBrokenFramesInPB(t *testing.T) {
	w := newWorld(t)
	w.codec, w.dialer.Subprotocols = wire.PB, []string{wire.SubprotocolPB}
	p := w.connect(driver1)
	p.raw("\x12\x09\x01") // a position of nine bytes, of which one is there
	p.wantRefused("", wire.CodeBadJSON)
	p.raw("\x0a\x01c\x42\x00") // an arrive without a trip
	p.wantRefused("c", wire.CodeMissingField)
	p.raw("\x0a\x01c\x42\x03\x0a\x01\xff") // one whose trip is not UTF-8
	p.wantClose(wire.CloseBadUTF8)
}
