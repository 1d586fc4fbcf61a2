package ws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// Config is what a hub is made of. Start from [DefaultConfig]: a zero limit is an
// error, not a default. Auth, Areas and Gazetteer have no default.
type Config struct {
	// Auth judges tokens. [Keys] is one for tokens signed with a shared secret.
	Auth Authenticator
	// Areas finds the area that a token names; false when it is not served here.
	// It is called from many goroutines and must not block.
	Areas func(geo.AreaID) (Area, bool)
	// Gazetteer resolves the villages of requests. It is not copied.
	Gazetteer *geo.Gazetteer

	// MaxConnections bounds the connections of this hub, those without a hello
	// included. Beyond it an upgrade is answered with 503, or, for a browser, which
	// cannot see that, with close 4014. 1 to 1,000,000; 50,000.
	MaxConnections int
	// HandshakesPerSecond and HandshakeBurst bound the upgrades that are let in: in the
	// long run, and at once. Beyond that an upgrade is answered with 503 and a time to come
	// again, or, for a browser, with close 4014. 1 to 100,000 and 1 to 1,000,000; 2,000
	// and 4,000.
	HandshakesPerSecond int
	HandshakeBurst      int
	// Closed: nobody is let in before [Hub.Open] is called; until then all upgrades are answered
	// like those beyond the pace, so that a thousand phones at the door do not keep a server that
	// starts from starting.
	Closed bool
	// MaxGreeting bounds the connections whose hello has not come; beyond it the same is
	// answered. 1 to 1,000,000; 10,000.
	MaxGreeting int
	// DriverConnections and PartyConnections bound the connections of one driver and
	// of one passenger, agent or operator. The newest wins: the oldest is closed
	// with 4504. 1 to 16; 1 and 4.
	DriverConnections int
	PartyConnections  int

	// FramesPerSecond and FrameBurst bound the frames that a client sends, pings and
	// pongs included: in the long run, and at once. What goes beyond is not read;
	// who goes far beyond is closed with 4013. 1 to 1,000 and 1 to 10,000; 20 and 60.
	FramesPerSecond int
	FrameBurst      int
	// MaxMalformed is how many malformed frames a client may send in a minute; one
	// more closes with 4501. 1 to 1,000; 10.
	MaxMalformed int
	// MaxWaiting bounds the commands of one connection that wait for their answer.
	// Further ones are refused as limited. 1 to 1,000; 16.
	MaxWaiting int

	// LaneFrames and LaneBytes bound what must arrive and waits to be written to one
	// connection; beyond either it is closed with 4008. A truth counts as one frame.
	// Bytes are estimated before encoding. 16 to 4,096 and 64 KiB to 64 MiB; 256 and 1 MiB.
	LaneFrames int
	LaneBytes  int
	// LooseFrames bounds the newest-wins lane of one connection; beyond it the oldest
	// frame is dropped. 16 to 4,096; 256.
	LooseFrames int

	// HelloWait is the time from the upgrade to a hello; then close 4010. 1 s to 1 min; 30 s: a
	// round trip over the worst links takes more than twenty, and MaxGreeting bounds who waits.
	HelloWait time.Duration
	// PingEvery is how long nothing may be heard of a client with an open trip, or of an
	// operator, before it is pinged, give or take a tenth. It holds at first for everybody,
	// and clients that know no other rhythm are pinged so often whatever they send. 1 s to
	// 5 min; 25 s.
	PingEvery time.Duration
	// SilentAfter is after how long without a word such a client is closed with 4012. It
	// must be longer than PingEvery. 2 s to 1 h; 60 s.
	SilentAfter time.Duration
	// DutyPing and DutySilent are the same for drivers on duty; a ping comes up to a fifth
	// late and is never early. A slow link has longer: by as much as its round trip is
	// longer than 2 s, up to 25 s. 1 s to 5 min and 2 s to 1 h; 4 s and 11 s.
	DutyPing   time.Duration
	DutySilent time.Duration
	// ParkedPing and ParkedSilent are the same for drivers off duty and for passengers and
	// agents without a trip, whose phones are asleep. 1 s to 1 h and 2 s to 4 h; 4 min and 9 min.
	ParkedPing   time.Duration
	ParkedSilent time.Duration
	// FrameWait is how long one frame may take to come in whole, fragments included;
	// then close 4013. 1 s to 1 min; 10 s.
	FrameWait time.Duration
	// WriteWait is how long one write may take, beside the round trip (25 s of it at most);
	// then the connection is given up. 1 s to 1 min; 10 s.
	WriteWait time.Duration
	// Linger is how long, after our close frame, the client's is waited for. 100 ms to 30 s; 5 s.
	Linger time.Duration

	// Origins are the origins, such as "https://desk.example.org", whose pages may
	// connect besides pages of the host itself. Clients that send no Origin, which
	// browsers cannot avoid, are always let in: the token decides. At most 100.
	Origins []string

	// Receipts are the secrets of receipts and tickets: the first seals those that are given,
	// and any of them may have sealed one that comes back. Nil: those of Auth
	// when it is [Keys]; else there are no receipts.
	Receipts Keys

	// Once notes that something of this name was used, for a while and for all servers, and says
	// whether it had not been before; an error means that neither is known. It is called from many
	// goroutines. Nil: no tickets are given or taken.
	Once func(ctx context.Context, name string, life time.Duration) (first bool, err error)
	// Audit keeps who looked at whose position. Nil: nobody does.
	Audit Auditor

	// Log takes what an operator wants to read: no tokens, telephone numbers or
	// exact positions. Nil: [slog.Default].
	Log *slog.Logger
	// Registerer takes the metrics. Nil: they are counted and not shown.
	Registerer prometheus.Registerer
	// Now is the clock of what is told and recorded, and of tokens; where several
	// servers share the areas, the one they share. Waiting goes by this machine's own
	// clock. Nil: [time.Now].
	Now func() time.Time
}

// DefaultConfig returns the limits above. They suit phones on a mountain county's network.
func DefaultConfig() Config {
	return Config{
		MaxConnections:      50_000,
		HandshakesPerSecond: 2_000,
		HandshakeBurst:      4_000,
		MaxGreeting:         10_000,
		DriverConnections:   1,
		PartyConnections:    4,
		FramesPerSecond:     wire.FramesPerSecond,
		FrameBurst:          wire.FrameBurst,
		MaxMalformed:        10,
		MaxWaiting:          16,
		LaneFrames:          256,
		LaneBytes:           1 << 20,
		LooseFrames:         256,
		HelloWait:           wire.HelloWait,
		PingEvery:           wire.PingEvery,
		SilentAfter:         wire.SilentAfter,
		DutyPing:            4 * time.Second,
		DutySilent:          wire.DutySilent,
		ParkedPing:          4 * time.Minute,
		ParkedSilent:        wire.ParkedSilent,
		FrameWait:           10 * time.Second,
		WriteWait:           10 * time.Second,
		Linger:              5 * time.Second,
	}
}

// Validate says what is missing or out of range, all at once.
func (c *Config) Validate() error {
	errs := []error{
		within("connections", c.MaxConnections, 1, 1_000_000),
		within("handshakes a second", c.HandshakesPerSecond, 1, 100_000),
		within("handshakes at once", c.HandshakeBurst, 1, 1_000_000),
		within("connections without a hello", c.MaxGreeting, 1, 1_000_000),
		within("connections of a driver", c.DriverConnections, 1, 16),
		within("connections of a party", c.PartyConnections, 1, 16),
		within("frames a second", c.FramesPerSecond, 1, 1_000),
		within("frames at once", c.FrameBurst, 1, 10_000),
		within("malformed frames a minute", c.MaxMalformed, 1, 1_000),
		within("commands waiting", c.MaxWaiting, 1, 1_000),
		within("frames in the must-arrive lane", c.LaneFrames, 16, 4_096),
		within("bytes in the must-arrive lane", c.LaneBytes, 64<<10, 64<<20),
		within("frames in the newest-wins lane", c.LooseFrames, 16, 4_096),
		within("wait for a hello", c.HelloWait, time.Second, time.Minute),
		within("time between pings", c.PingEvery, time.Second, 5*time.Minute),
		within("silence", c.SilentAfter, 2*time.Second, time.Hour),
		within("time between pings on duty", c.DutyPing, time.Second, 5*time.Minute),
		within("silence on duty", c.DutySilent, 2*time.Second, time.Hour),
		within("time between pings of parked phones", c.ParkedPing, time.Second, time.Hour),
		within("silence of parked phones", c.ParkedSilent, 2*time.Second, 4*time.Hour),
		within("wait for a whole frame", c.FrameWait, time.Second, time.Minute),
		within("wait for a write", c.WriteWait, time.Second, time.Minute),
		within("linger", c.Linger, 100*time.Millisecond, 30*time.Second),
		within("origins", len(c.Origins), 0, 100),
	}
	if c.Auth == nil || c.Areas == nil || c.Gazetteer == nil {
		errs = append(errs, errors.New("auth, areas and gazetteer must be set"))
	}
	for _, pair := range [][2]time.Duration{{c.PingEvery, c.SilentAfter}, {c.DutyPing, c.DutySilent}, {c.ParkedPing, c.ParkedSilent}} {
		if pair[1] <= pair[0] {
			errs = append(errs, fmt.Errorf("silence is %v and time between pings %v: a client would be given up before it is asked", pair[1], pair[0]))
		}
	}
	for _, origin := range c.Origins {
		errs = append(errs, checkOrigin(origin))
	}
	return errors.Join(errs...)
}

func within[T int | time.Duration](name string, v, low, high T) error {
	if v < low || v > high {
		return fmt.Errorf("%s: %v: want %v to %v", name, v, low, high)
	}
	return nil
}

func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("origin %.100q: want scheme and host only, such as https://desk.example.org", origin)
	}
	return nil
}

// partyLimit is how many connections somebody of this role may have.
func (c *Config) partyLimit(role dispatch.Role) int {
	if role == dispatch.RoleDriver {
		return c.DriverConnections
	}
	return c.PartyConnections
}
