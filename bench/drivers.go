package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws"
	"cuntong/ws/wire"
)

// connectDrivers connects n drivers, at most 16 at a time, each up to the answer to
// his first command.
func connectDrivers(ctx context.Context, addr, from string, n int, prefix string) ([]*websocket.Conn, error) {
	key, err := benchKey()
	if err != nil {
		return nil, err
	}
	drivers := make([]*websocket.Conn, n)
	errs := make([]error, n)
	room := make(chan struct{}, 16)
	var all sync.WaitGroup
	for i := range n {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			drivers[i], errs[i] = connectDriver(ctx, addr, from, key, fmt.Sprintf("%s-%d", prefix, i))
		})
	}
	all.Wait()
	return drivers, errors.Join(errs...)
}

func connectDriver(ctx context.Context, addr, from string, key ws.Key, id string) (*websocket.Conn, error) {
	token, err := ws.Mint(key, ws.Claims{Actor: dispatch.DriverActor(dispatch.DriverID(id)), Area: benchArea,
		Vehicle: dispatch.Vehicle{Class: geo.Minivan, Load: dispatch.Load{Seats: 6}}}, time.Hour)
	if err != nil {
		return nil, err
	}
	conn, err := dialFrom(ctx, addr, from, token)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		say(conn, wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()}),
		say(conn, wire.TypeDuty, "c1", wire.Duty{On: true}),
		hear(conn, wire.TypeDone),
		say(conn, wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: wire.DatumWGS84, At: time.Now().UnixMilli()}))
	if err != nil {
		_ = conn.Close() // the first error is the one to tell
		return nil, err
	}
	return conn, nil
}

// dialFrom connects from a source address, so that many connections find ports.
func dialFrom(ctx context.Context, addr, from, token string) (*websocket.Conn, error) {
	dialer := websocket.Dialer{Subprotocols: []string{wire.Subprotocol}, ReadBufferSize: 512, WriteBufferSize: 512,
		NetDialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext}
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	conn, resp, err := dialer.DialContext(ctx, "ws://"+addr+"/ws", header)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close() // empty
	return conn, nil
}

func say(conn *websocket.Conn, t wire.Type, id string, body any) error {
	frame, err := wire.EncodeClient(t, id, body)
	if err != nil {
		return err
	}
	return conn.WriteMessage(websocket.TextMessage, frame)
}

// hear reads up to a frame of that type.
func hear(conn *websocket.Conn, want wire.Type) error {
	_, err := hearAt(conn, want)
	return err
}

// hearAt is hear, and says when the frame was there, before it was decoded.
func hearAt(conn *websocket.Conn, want wire.Type) (time.Time, error) {
	for {
		_, frame, err := conn.ReadMessage()
		at := time.Now()
		if err != nil {
			return at, err
		}
		f, err := wire.DecodeServer(frame)
		if err != nil {
			return at, err
		}
		if f.Type == want {
			return at, nil
		}
		if f.Type == wire.TypeRefused {
			return at, fmt.Errorf("refused: %+v", f.Body)
		}
	}
}
