package phone

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cuntong/bubble"
	"cuntong/chaos/history"
	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

// fake is a server that breaks the connection at the first request, refuses the second
// as unavailable, and takes the third.
type fake struct {
	mu       sync.Mutex
	requests []string // the frames as they came
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	say := func(t wire.Type, re string, body any) {
		if frame, err := wire.EncodeServer(t, re, body); err == nil {
			_ = conn.WriteMessage(websocket.TextMessage, frame)
		}
	}
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		c, err := wire.DecodeClient(data)
		if err != nil {
			return
		}
		switch body := c.Body.(type) {
		case wire.Hello:
			say(wire.TypeWelcome, "", wire.Welcome{Session: "s", Role: "passenger", ID: "p1", Area: "a1", Protocol: "cuntong.v1"})
			say(wire.TypeTruth, "", wire.Truth{Trips: []wire.Trip{}})
		case wire.Request:
			f.mu.Lock()
			f.requests = append(f.requests, string(data))
			n := len(f.requests)
			f.mu.Unlock()
			switch n {
			case 1:
				return
			case 2:
				say(wire.TypeRefused, c.ID, wire.Refused{Kind: wire.KindUnavailable, Code: "not_recording", RetryAfterMS: 10})
			default:
				say(wire.TypeDone, c.ID, wire.Done{Trip: body.Trip, Version: 1, State: wire.StateCompleted})
			}
		}
	}
}

func TestACommandIsRepeatedUnderItsIDUntilItIsAnswered(t *testing.T) {
	f := &fake{}
	server := httptest.NewServer(f)
	defer server.Close()
	log := history.New()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	crowd, err := Start(ctx, &Config{
		Seed: 1, Servers: []string{strings.TrimPrefix(server.URL, "http://")}, Secret: []byte("secret"), Log: log,
		Passengers: []Home{{Area: "a1", At: Point{25, 109}}}, Think: time.Hour, Step: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, acks := log.Counts(); acks == 0 && ctx.Err() == nil; _, acks = log.Counts() {
		<-time.After(10 * time.Millisecond)
	}
	crowd.Stop()
	h := log.Close()
	if len(h.Ops) != 1 || h.Ops[0].Outcome != history.OK || h.Ops[0].Sends != 3 {
		t.Fatalf("%+v", h.Ops)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.requests) != 3 || f.requests[0] != f.requests[1] || f.requests[1] != f.requests[2] {
		t.Fatalf("not the same frame three times: %q", f.requests)
	}
}

// What is never answered stays open.
func TestSilenceIsUnknown(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		log := history.New()
		op := log.Begin(history.Op{Client: "p1", Kind: "request"})
		time.Sleep(time.Second)
		log.Again(op)
		h := log.Close()
		if h.Ops[0].Outcome != history.Unknown || h.Ops[0].Sends != 2 || h.Ops[0].LastSent-h.Ops[0].Invoke != time.Second {
			t.Fatalf("%+v", h.Ops[0])
		}
	})
}
