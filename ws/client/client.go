package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

// Client is one party's program. Make one with [New]; its methods may be called from
// any goroutine.
type Client struct {
	// Static after construction.
	cfg       Config
	addresses []string // in our own order
	dialer    websocket.Dialer
	events    chan Event
	// wake has the pump look again, network the resting Run.
	wake, network chan struct{}

	// dialFor is how long the next attempt to connect may take. Owned by Run.
	dialFor time.Duration

	mu sync.Mutex // guards the following fields
	mind
	conn    *websocket.Conn // nil while there is none
	codec   wire.Codec
	offline bool
	closing bool
	waiting map[string]chan Answer // Ask, by command
	stop    context.CancelCauseFunc
	over    chan struct{} // closed when Run has returned; nil while it has not begun
}

// New makes a client that does nothing before Run, but takes commands. What the store
// has is taken up: commands without an answer go out first.
func New(cfg Config) (*Client, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, events: make(chan Event, cfg.Events), wake: make(chan struct{}, 1), network: make(chan struct{}, 1),
		dialFor: dialWait, mind: *newMind(&cfg), waiting: map[string]chan Answer{}, codec: cfg.Codecs[0],
		dialer: websocket.Dialer{
			NetDialContext: cfg.Dial, TLSClientConfig: cfg.TLS, Proxy: http.ProxyFromEnvironment,
			ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: cfg.Buffers,
		},
	}
	for _, codec := range cfg.Codecs {
		c.dialer.Subprotocols = append(c.dialer.Subprotocols, codec.Subprotocol())
	}
	for _, i := range cfg.Rand.Perm(len(cfg.Addresses)) {
		c.addresses = append(c.addresses, cfg.Addresses[i])
	}
	if cfg.Store != nil {
		saved, err := cfg.Store.Load()
		if err != nil {
			return nil, fmt.Errorf("client: what was kept: %w", err)
		}
		if err := c.restore(time.Now(), saved); err != nil {
			return nil, fmt.Errorf("client: what was kept: %w", err)
		}
	}
	return c, nil
}

// Events is where the client tells its app what happens. It is never closed.
func (c *Client) Events() <-chan Event { return c.events }

// Do gives a command and returns its id; the answer comes as an event. It does not wait
// for a connection: the command is kept, and sent until it is answered.
func (c *Client) Do(t wire.Type, body any) (id string, err error) { return c.do(t, body, false, nil) }

// DoTwice is Do that sends the command twice at once, for tests of servers.
func (c *Client) DoTwice(t wire.Type, body any) (id string, err error) {
	return c.do(t, body, true, nil)
}

// Ask is Do that waits for the answer, besides the event. When the context ends first,
// the command goes on without it.
func (c *Client) Ask(ctx context.Context, t wire.Type, body any) (Answer, error) {
	answer := make(chan Answer, 1)
	if _, err := c.do(t, body, false, answer); err != nil {
		return Answer{}, err
	}
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

func (c *Client) do(t wire.Type, body any, twice bool, answer chan Answer) (string, error) {
	if !t.IsCommand() {
		return "", fmt.Errorf("client: %s is no command: use Send", t)
	}
	if _, err := wire.EncodeClient(t, "x", body); err != nil {
		return "", fmt.Errorf("client: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return "", ErrClosed
	}
	id, err := c.ask(time.Now(), c.wall(), t, flat(body), twice)
	if err != nil {
		return "", err
	}
	if answer != nil {
		c.waiting[id] = answer
	}
	c.after()
	return id, nil
}

// Send sends a question, a watch or a ping, which are not repeated.
func (c *Client) Send(t wire.Type, body any) error {
	if t.IsCommand() || t == wire.TypeHello || t == wire.TypePosition {
		return fmt.Errorf("client: a %s is not sent so", t)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage != ready {
		return ErrOffline
	}
	c.put(aside{t, flat(body)})
	c.after()
	return nil
}

// Position says where the phone is. Only the newest is sent; without a connection, and
// on a trip, it is kept for the trip's track.
func (c *Client) Position(p wire.Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.position(p)
	c.after()
}

// Picture returns what the server has said, as far as it holds.
func (c *Client) Picture() Picture {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.picture.show(time.Now(), c.stage == ready && c.why == "" && !c.offline)
}

// Shown is the state of a trip as a driver's program shows it: what the server has
// said, and what he has done since. "" is a trip that is not held.
func (c *Client) Shown(trip string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := ""
	if h := c.picture.trips[trip]; h != nil {
		state = h.State
	}
	return c.shown(trip, state)
}

// Open returns the commands without an answer, tracks not among them.
func (c *Client) Open() []Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Command, len(c.calls))
	for i, call := range c.calls {
		list[i] = call.Command
	}
	return list
}

// Counts returns what has been counted.
func (c *Client) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// Idle says that everything has been said: no command, no confirmation, and no
// position of the dark waits.
func (c *Client) Idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle()
}

func (m *mind) idle() bool {
	return len(m.calls) == 0 && len(m.tracks) == 0 && len(m.asides) == 0 && m.dark.empty()
}

// Network says whether the phone has one, where its system tells. Without one the
// client waits for the network and not for the clock.
func (c *Client) Network(up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offline == !up {
		return
	}
	c.offline = !up
	if c.offline && c.conn != nil {
		c.conn.Close()
	}
	poke(c.network)
}

// HangUp ends the connection, if there is one; the client comes back by itself, to the
// present truth.
func (c *Client) HangUp(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage != away {
		c.hangUp(why)
		c.after()
	}
}

// Close takes no more commands, waits until those given are answered or the context
// ends, and ends Run. What is not answered then is in the store, if there is one.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closing = true
	over := c.over
	poke(c.wake)
	c.mu.Unlock()
	if over == nil {
		return nil
	}
	select {
	case <-over:
	case <-ctx.Done():
		c.mu.Lock()
		c.stop(ErrClosed)
		c.mu.Unlock()
		<-over
	}
	if !c.Idle() {
		return ctx.Err()
	}
	return nil
}

func (c *Client) wall() int64 { return c.cfg.Clock().UnixMilli() }

// after follows every step of the mind: c.mu is held.
func (c *Client) after() {
	if c.dirty {
		c.dirty = false
		c.save()
	}
	if c.stir {
		c.stir = false
		poke(c.wake)
	}
}

// save puts what must survive into the store. The app is told when that fails.
func (c *Client) save() {
	if c.cfg.Store == nil {
		return
	}
	saved, err := c.mind.saved()
	if err == nil {
		err = c.cfg.Store.Save(saved)
	}
	if err != nil {
		c.mind.events = append(c.mind.events, Event{Kind: Unsaved, Session: c.session, At: time.Now(), Err: err})
		poke(c.wake)
	}
}

// poke leaves word in a channel of size one.
func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// taken returns the events of the mind and hands answers to those who wait for them:
// c.mu is held.
func (c *Client) taken() []Event {
	list := c.mind.events
	c.mind.events = nil
	for _, e := range list {
		if e.Kind != Answered {
			continue
		}
		if ch := c.waiting[e.Answer.ID]; ch != nil {
			delete(c.waiting, e.Answer.ID)
			ch <- *e.Answer // of size one, and the only one
		}
	}
	return list
}

// tell passes events on to the app. When it is slow, lossy ones are dropped, and the
// others wait, which keeps the reader from reading on.
func (c *Client) tell(ctx context.Context, list []Event) {
	for _, e := range list {
		if e.lossy() && len(c.events) > cap(c.events)/2 {
			c.mu.Lock()
			c.counts.EventsDropped++
			c.mu.Unlock()
			continue
		}
		select {
		case c.events <- e:
		case <-ctx.Done():
			return
		}
	}
}

var errRuns = errors.New("client: it runs already")

// Run connects, and comes back, until the context ends, the client is closed, or the
// server says not to come back as we are: then it returns an error that says why, and
// may be called again when a person asks for it.
func (c *Client) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c.mu.Lock()
	if c.stop != nil {
		c.mu.Unlock()
		return errRuns
	}
	c.stop, c.over = stop, make(chan struct{})
	over := c.over
	c.mu.Unlock()

	var pump sync.WaitGroup
	pump.Go(func() { c.pump(ctx) })
	end := c.comeAndGo(ctx)
	if ctx.Err() == nil {
		c.tell(ctx, []Event{{Kind: Ended, Session: c.session, At: time.Now(), Err: end.err, Code: end.code}})
	}
	stop(nil)
	pump.Wait()
	c.mu.Lock()
	c.stop = nil
	close(over)
	c.mu.Unlock()
	if cause := context.Cause(ctx); cause == ErrClosed {
		return nil
	}
	return end.err
}
