package wire

import (
	"reflect"
	"slices"
)

// Type names a kind of message.
type Type string

// The types. Five go both ways: of TypeDuty a client sends [Duty] and a server
// [DutyState], of TypeRoad [Road] and [RoadState], of TypeRoute [Route] and [RouteTold],
// of TypeNearby [Nearby] and [NearbyTold], of TypeLook [Look] and [LookTold].
const (
	TypeHello    Type = "hello"
	TypePosition Type = "position"
	TypeDuty     Type = "duty"
	TypeRequest  Type = "request"
	TypeAccept   Type = "accept"
	TypeDecline  Type = "decline"
	TypeArrive   Type = "arrive"
	TypeStart    Type = "start"
	TypeComplete Type = "complete"
	TypeRelease  Type = "release"
	TypeCancel   Type = "cancel"
	TypeEndDuty  Type = "end_duty"
	TypeRoad     Type = "road"
	TypeLiftRoad Type = "lift_road"
	TypeRoute    Type = "route"
	TypeWatch    Type = "watch"
	TypePing     Type = "ping"
	TypeTrack    Type = "track"
	TypeSeen     Type = "seen"
	TypePaid     Type = "paid"
	TypeRenew    Type = "renew"
	TypeLogout   Type = "logout"
	TypeNearby   Type = "nearby"
	TypeLook     Type = "look"
	TypeBar      Type = "bar"
	TypeLiftBar  Type = "lift_bar"

	TypeWelcome   Type = "welcome"
	TypeTruth     Type = "truth"
	TypeDone      Type = "done"
	TypeRefused   Type = "refused"
	TypeOffer     Type = "offer"
	TypeOfferGone Type = "offer_gone"
	TypeTrip      Type = "trip"
	TypeQueue     Type = "queue"
	TypeDriverAt  Type = "driver_at"
	TypeBoard     Type = "board"
	TypeDrain     Type = "drain"
	TypePong      Type = "pong"
	TypeHeartbeat Type = "heartbeat"
)

// The roles that a token may carry.
const (
	RoleDriver    = "driver"
	RolePassenger = "passenger"
	RoleAgent     = "agent"
	RoleOperator  = "operator"
)

var everybody = []string{RoleDriver, RolePassenger, RoleAgent, RoleOperator}

// clientType is a message that a client may send.
type clientType struct {
	name    Type
	body    reflect.Type
	shape   *shape
	command bool     // has an id and is answered by exactly one done or refused
	roles   []string // who may send it
}

// clientTypes is the protocol from client to server. A test holds it against docs/PROTOCOL.md.
var clientTypes = []clientType{
	client[Hello](TypeHello, false, everybody...),
	client[Position](TypePosition, false, RoleDriver),
	client[Track](TypeTrack, true, RoleDriver),
	client[Duty](TypeDuty, true, RoleDriver),
	client[Request](TypeRequest, true, RolePassenger, RoleAgent, RoleOperator),
	client[Seen](TypeSeen, false, RoleDriver),
	client[Accept](TypeAccept, true, RoleDriver),
	client[Decline](TypeDecline, true, RoleDriver),
	client[Arrive](TypeArrive, true, RoleDriver),
	client[Start](TypeStart, true, RoleDriver, RoleOperator),
	client[Complete](TypeComplete, true, RoleDriver),
	client[Paid](TypePaid, true, RoleDriver),
	client[Release](TypeRelease, true, RoleDriver, RoleOperator),
	client[Cancel](TypeCancel, true, everybody...),
	client[EndDuty](TypeEndDuty, true, RoleOperator),
	client[Road](TypeRoad, true, RoleOperator),
	client[LiftRoad](TypeLiftRoad, true, RoleOperator),
	client[Route](TypeRoute, false, everybody...),
	client[Nearby](TypeNearby, false, RolePassenger, RoleAgent, RoleOperator),
	client[Watch](TypeWatch, false, RoleOperator),
	client[Look](TypeLook, true, RoleOperator),
	client[Bar](TypeBar, true, RoleOperator),
	client[LiftBar](TypeLiftBar, true, RoleOperator),
	client[Renew](TypeRenew, true, everybody...),
	client[Logout](TypeLogout, true, everybody...),
	client[Ping](TypePing, false, everybody...),
}

func client[Body any](name Type, command bool, roles ...string) clientType {
	return clientType{name, reflect.TypeFor[Body](), shapeOf[Body](string(name)), command, roles}
}

// serverType is a message that the server may send.
type serverType struct {
	name  Type
	body  reflect.Type
	lossy bool // travels in the newest-wins lane
}

// serverTypes is the protocol from server to client. A test holds it against docs/PROTOCOL.md.
var serverTypes = []serverType{
	{TypeWelcome, reflect.TypeFor[Welcome](), false},
	{TypeTruth, reflect.TypeFor[Truth](), false},
	{TypeDone, reflect.TypeFor[Done](), false},
	{TypeRefused, reflect.TypeFor[Refused](), false},
	{TypeOffer, reflect.TypeFor[Offer](), false},
	{TypeOfferGone, reflect.TypeFor[OfferGone](), false},
	{TypeTrip, reflect.TypeFor[Trip](), false},
	{TypeQueue, reflect.TypeFor[Queue](), true},
	{TypeDriverAt, reflect.TypeFor[DriverAt](), true},
	{TypeDuty, reflect.TypeFor[DutyState](), false},
	{TypeRoute, reflect.TypeFor[RouteTold](), false},
	{TypeNearby, reflect.TypeFor[NearbyTold](), false},
	{TypeRoad, reflect.TypeFor[RoadState](), false},
	{TypeLook, reflect.TypeFor[LookTold](), false},
	{TypeBoard, reflect.TypeFor[Board](), true},
	{TypeHeartbeat, reflect.TypeFor[Heartbeat](), false},
	{TypeDrain, reflect.TypeFor[Drain](), false},
	{TypePong, reflect.TypeFor[Pong](), true},
}

// ClientTypes lists what a client may send, in the order of docs/PROTOCOL.md.
func ClientTypes() []Type {
	list := make([]Type, len(clientTypes))
	for i, t := range clientTypes {
		list[i] = t.name
	}
	return list
}

// ServerTypes lists what the server may send, in the order of docs/PROTOCOL.md.
func ServerTypes() []Type {
	list := make([]Type, len(serverTypes))
	for i, t := range serverTypes {
		list[i] = t.name
	}
	return list
}

// IsCommand says whether a client's message of this type carries an id and is
// answered by exactly one done or refused.
func (t Type) IsCommand() bool {
	c := findClientType(string(t))
	return c != nil && c.command
}

// MayBeSentBy says whether a client of this role may send messages of this type.
func (t Type) MayBeSentBy(role string) bool {
	c := findClientType(string(t))
	return c != nil && slices.Contains(c.roles, role)
}

// IsLossy says whether the server's messages of this type travel in the
// newest-wins lane, where a newer one takes the place of an older one.
func (t Type) IsLossy() bool {
	s := findServerType(string(t))
	return s != nil && s.lossy
}

// findClientType is linear on purpose: two dozen short strings are compared
// faster than one is hashed.
func findClientType(name string) *clientType {
	for i := range clientTypes {
		if string(clientTypes[i].name) == name {
			return &clientTypes[i]
		}
	}
	return nil
}

func findServerType(name string) *serverType {
	for i := range serverTypes {
		if string(serverTypes[i].name) == name {
			return &serverTypes[i]
		}
	}
	return nil
}
