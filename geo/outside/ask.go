package outside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"

	"cuntong/geo"
)

// question is a drive that the server is to be asked about.
type question struct {
	key
	from, to geo.Point
	builtIn  geo.Leg
}

// maxTogether bounds the drives to one place that are asked about at once: under the
// 100 places of a table that osrm-routed takes unless told otherwise.
const maxTogether = 50

// work puts questions to the server, those to the same place together.
func (r *Router) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-r.queue:
			for _, group := range byPlace(r.drain(first)) {
				r.putTo(ctx, group)
			}
		}
	}
}

// drain takes what waits besides the first, without waiting for more.
func (r *Router) drain(first question) []question {
	all := []question{first}
	for len(all) < maxTogether {
		select {
		case q := <-r.queue:
			all = append(all, q)
		default:
			return all
		}
	}
	return all
}

// byPlace groups questions by where the drive ends and who drives.
func byPlace(all []question) [][]question {
	type place struct {
		to    geo.Point
		class geo.VehicleClass
	}
	at := map[place]int{}
	var groups [][]question
	for _, q := range all {
		p := place{q.to, q.class}
		i, known := at[p]
		if !known {
			i = len(groups)
			at[p] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], q)
	}
	return groups
}

// reply is what the server says of one drive.
type reply struct {
	leg   geo.Leg
	known bool // a way
}

// putTo asks about drives to one place and keeps what comes back. Events are counted
// last: whoever hears of one finds the corrections, and none of these drives being
// asked about any more.
func (r *Router) putTo(ctx context.Context, group []question) {
	events := r.learn(ctx, group)
	for _, q := range group {
		r.cache.forget(q.key)
	}
	for _, e := range events {
		r.cfg.Count(e)
	}
}

// learn asks about drives to one place, keeps what comes back, and returns what there
// is to count.
func (r *Router) learn(ctx context.Context, group []question) []Event {
	replies, err := r.breaker.Execute(func() ([]reply, error) {
		ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
		defer cancel()
		return r.fetch(ctx, group)
	})
	if err != nil {
		return []Event{eventOf(err)}
	}
	var events []Event
	for i, q := range group {
		if !replies[i].known {
			events = append(events, NoRoute)
			continue
		}
		c, believed := correctionOf(replies[i].leg, q.builtIn, time.Now())
		if !believed {
			events = append(events, Strange)
			continue
		}
		r.cache.put(q.key, c)
	}
	return append(events, Answered)
}

// eventOf says which kind of failure err is.
func eventOf(err error) Event {
	var network net.Error
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return Spared
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return Timeout
	}
	return Failed
}

// fetch asks the server once. As many replies come back as questions were put.
func (r *Router) fetch(ctx context.Context, group []question) ([]reply, error) {
	req, read, err := r.speaks.request(ctx, r.cfg.URL, group)
	if err != nil {
		return nil, err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxBody:
		return nil, fmt.Errorf("an answer of more than %d bytes", maxBody)
	case resp.StatusCode == http.StatusBadRequest && r.speaks.noRoute(body):
		return make([]reply, len(group)), nil
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the outside router says %s", resp.Status)
	}
	replies, err := read(body)
	if err == nil && len(replies) != len(group) {
		err = fmt.Errorf("%d answers to %d questions", len(replies), len(group))
	}
	return replies, err
}

// maxBody bounds an answer. A table of maxTogether drives takes a few kilobytes.
const maxBody = 1 << 20

// newClient makes a client of its own, so that its connections end with the Router.
func newClient(cfg Config) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = cfg.Workers
	transport.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// protocol is how a kind of server is asked.
type protocol struct {
	// classFor is the class that the server is asked about in place of another.
	classFor func(geo.VehicleClass) geo.VehicleClass
	// request asks about the drives of a group, which all end at one place, and returns
	// how its answer is to be read.
	request func(ctx context.Context, base string, group []question) (*http.Request, func([]byte) ([]reply, error), error)
	// noRoute says whether an error of the server's means that there is no way.
	noRoute func(body []byte) bool
}

var protocols = map[Kind]protocol{
	OSRM:     {classFor: osrmClass, request: osrmRequest, noRoute: osrmNoRoute},
	Valhalla: {classFor: valhallaClass, request: valhallaRequest, noRoute: valhallaNoRoute},
}

// read decodes JSON into T, for the readers of the protocols.
func read[T any](body []byte) (T, error) {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("the outside router's answer: %w", err)
	}
	return v, nil
}

// replyOf is a reply in seconds and metres, either of which may be missing.
func replyOf(seconds, metres *float64) reply {
	if seconds == nil || metres == nil || !(*seconds >= 0 && *seconds < 1e7) || !(*metres >= 0 && *metres < 1e8) {
		return reply{}
	}
	return reply{known: true, leg: geo.Leg{Distance: geo.Meters(*metres), Duration: time.Duration(*seconds * float64(time.Second))}}
}
