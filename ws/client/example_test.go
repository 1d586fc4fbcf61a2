package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"cuntong/ws/client"
	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

// A driver's program: it begins work, takes what it is offered, and says what it does.
// Nothing here asks whether there is a connection.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(pretend))
	defer server.Close()
	driver, err := client.New(client.Config{
		Addresses: []string{"ws" + strings.TrimPrefix(server.URL, "http") + "/ws"},
		Role:      wire.RoleDriver,
		Token:     func(context.Context) (client.Token, error) { return client.Token{Text: "a token"}, nil },
		Name:      "village-app/2.0",
		Store:     &client.MemoryStore{}, // a phone has a client.FileStore
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	over := make(chan error, 1)
	go func() { over <- driver.Run(ctx) }()

	ask := func(t wire.Type, body any) {
		switch answer, err := driver.Ask(ctx, t, body); {
		case err != nil:
			fmt.Println(err)
		case answer.Refused != nil:
			fmt.Println(t, "refused:", answer.Refused.Code)
		default:
			fmt.Println(strings.TrimSpace(fmt.Sprint(t, " done ", answer.Done.State)))
		}
	}
	ask(wire.TypeDuty, wire.Duty{On: true})
	for e := range driver.Events() {
		offer, ok := e.Body.(wire.Offer)
		if !ok {
			continue
		}
		ask(wire.TypeAccept, wire.Accept{Trip: offer.Trip, Offer: offer.Offer})
		ask(wire.TypeArrive, wire.Arrive{Trip: offer.Trip})
		ask(wire.TypeStart, wire.Start{Trip: offer.Trip})
		ask(wire.TypeComplete, wire.Complete{Trip: offer.Trip})
		break
	}
	fmt.Println(driver.Close(ctx), <-over)
	// Output:
	// duty done
	// accept done assigned
	// arrive done arrived
	// start done riding
	// complete done completed
	// <nil> <nil>
}

// pretend is a server that offers one trip and agrees to everything.
func pretend(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	say := func(t wire.Type, re string, body any) {
		if frame, err := wire.EncodeServer(t, re, body); err == nil {
			_ = conn.WriteMessage(websocket.TextMessage, frame) // a client that has gone is noticed below
		}
	}
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		f, err := wire.DecodeClient(data)
		if err != nil {
			return
		}
		state := map[wire.Type]string{
			wire.TypeAccept: wire.StateAssigned, wire.TypeArrive: wire.StateArrived,
			wire.TypeStart: wire.StateRiding, wire.TypeComplete: wire.StateCompleted,
		}[f.Type]
		switch {
		case f.Type == wire.TypeHello:
			say(wire.TypeWelcome, "", wire.Welcome{Session: "s-1", Role: wire.RoleDriver, ID: "d1", HeartbeatS: 25, MaxFrameBytes: 4096})
			say(wire.TypeTruth, "", wire.Truth{Trips: []wire.Trip{}})
		case f.Type == wire.TypeDuty:
			say(wire.TypeDone, f.ID, wire.Done{})
			say(wire.TypeOffer, "", wire.Offer{Offer: "t1/1", Trip: "t1", Version: 2, WaitS: 20})
		case f.Type.IsCommand():
			say(wire.TypeDone, f.ID, wire.Done{Trip: "t1", State: state})
		}
	}
}
