package client

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

// Config says who connects where. Only Addresses, Role and Token have to be there.
type Config struct {
	// Addresses are the servers', such as wss://dispatch.example/ws. Any will do; the
	// client goes through them in an order of its own chance.
	Addresses []string
	// Role is the one in the token, a role of package wire. The client must know it
	// before it is welcomed: in the dark a driver's commands are kept in another way.
	Role string
	// Token fetches a token. It is called before each attempt to connect and some time
	// before the last one ends, from the client's goroutines; an error that wraps
	// [ErrSignIn] ends the client, any other is an attempt that failed.
	Token func(ctx context.Context) (Token, error)
	// InHello sends the token in hello, as browsers have to, and not in a header.
	InHello bool

	// Name is the program and its version, for the server's log; Device names the phone.
	Name, Device string
	// Plain is how a client speaks that knows cuntong.v1 as it was first: it does not
	// say what it holds, takes its trips whole and confirms no offer.
	Plain bool
	// Codecs are the encodings that the client speaks, the dearest first. Empty is JSON.
	Codecs []wire.Codec

	// Store keeps what must survive a restart. Nil: nothing does.
	Store Store
	// Clock is the phone's, which may be wrong; nil is [time.Now]. It says when things
	// were done. Waiting is by time.Now alone.
	Clock func() time.Time
	// Rand is the client's own chance, which the client alone uses. Nil is a random one.
	Rand *rand.Rand
	// Dial makes the connections, nil is TCP. TLS is for wss addresses.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS  *tls.Config
	// Buffers lets many clients of one program share the buffers they write with.
	Buffers websocket.BufferPool

	// Backoff is how long to wait before coming back; its zero is what the protocol says.
	Backoff Backoff
	// First is how long to wait before the first attempt.
	First time.Duration
	// Repeat is how long a command may go unanswered before it is sent again, beside the
	// round trip (30 s of it at most); 0 is 10 s.
	// One that was sent three times on one connection and not answered ends it.
	Repeat time.Duration
	// Patience is how long the welcome, and then the truth, may take, beside the round trip;
	// 0 is 30 s.
	Patience time.Duration
	// Again says whether a refused command is sent again after the time that the server
	// asked for, or told the app; nil is [SendAgain].
	Again func(c Command, r wire.Refused) bool

	// IDs begins the ids of commands, and must not come twice for one party; "" is drawn.
	IDs string
	// Open bounds the commands without an answer; 0 is 256.
	Open int
	// Events is how many events may wait for the app; 0 is 256.
	Events int
	// Tap is shown every frame as it is on the wire, those sent included. It must not
	// block, nor keep the frame. Nil means nobody.
	Tap func(sent bool, frame []byte)
}

// Token is a bearer token and when it ends; a zero Expires is never renewed.
type Token struct {
	Text    string
	Expires time.Time
}

var (
	// ErrSignIn says that there can be no token before a person has signed in again.
	ErrSignIn = errors.New("client: sign in again")
	// ErrFull says that too many commands wait for an answer.
	ErrFull = errors.New("client: too many commands without an answer")
	// ErrClosed says that the client has been closed.
	ErrClosed = errors.New("client: closed")
	// ErrOffline says that there is no connection for a question.
	ErrOffline = errors.New("client: no connection")
)

const (
	defaultOpen   = 256
	defaultEvents = 256
	defaultRepeat = 10 * time.Second
	defaultWait   = 30 * time.Second
	// sendings is how often a command is sent on one connection before that is given up.
	sendings = 3
)

func (c *Config) complete() error {
	switch {
	case len(c.Addresses) == 0:
		return errors.New("client: no address")
	case c.Token == nil:
		return errors.New("client: nobody fetches tokens: set Token")
	case !wire.TypeHello.MayBeSentBy(c.Role):
		return errors.New("client: no such role: " + c.Role)
	}
	if len(c.Codecs) == 0 {
		c.Codecs = []wire.Codec{wire.JSON}
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if c.Again == nil {
		c.Again = SendAgain
	}
	if c.IDs == "" {
		c.IDs = randomName(c.Rand)
	}
	c.Open = cmpOr(c.Open, defaultOpen)
	c.Events = cmpOr(c.Events, defaultEvents)
	c.Repeat = cmpOr(c.Repeat, defaultRepeat)
	c.Patience = cmpOr(c.Patience, defaultWait)
	c.Backoff = c.Backoff.complete()
	return nil
}
