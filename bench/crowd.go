package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws"
	"cuntong/ws/wire"
)

// crowd is drivers with a rider each, who make trips as fast as they are answered.
type crowd struct {
	pairs []*pair
	trips atomic.Int64
	done  sync.WaitGroup
}

// pair is a driver and his rider, far from all others.
type pair struct {
	name          string
	at            geo.Point
	driver, rider *websocket.Conn
	commands      int
}

// connect brings the people of all areas to the servers: to any, or each to the one
// that writes his area.
func (f *site) connect(ctx context.Context, right bool) (*crowd, error) {
	key, err := ws.LoadKey(filepath.Join(f.dir, "secret"))
	if err != nil {
		return nil, err
	}
	c := &crowd{}
	for i := range serverPairs {
		area := i % serverAreas
		addrs, err := f.addrsFor(ctx, area, i, right)
		if err != nil {
			c.stop()
			return nil, err
		}
		row, column := i/serverAreas%20, i/serverAreas/20
		p := &pair{name: fmt.Sprintf("p%d", i), at: geo.Point{Lat: 26.02 + 0.045*float64(row), Lon: 100.1 + 0.06*float64(column) + float64(area)*areaDegrees}}
		if err := p.connect(ctx, key, geo.AreaID(areaName(area)), addrs); err != nil {
			c.stop()
			return nil, fmt.Errorf("pair %d: %w", i, err)
		}
		c.pairs = append(c.pairs, p)
	}
	return c, nil
}

// addrsFor are the servers of the driver and the rider of a pair.
func (f *site) addrsFor(ctx context.Context, area, i int, right bool) (addrs [2]string, err error) {
	n := len(f.addrs)
	driver, rider := i/serverAreas%n, i/serverAreas/n%n
	if right {
		driver, err = f.writer(ctx, area)
		rider = driver
	}
	return [2]string{f.addrs[driver], f.addrs[rider]}, err
}

func (p *pair) connect(ctx context.Context, key ws.Key, area geo.AreaID, addrs [2]string) (err error) {
	vehicle := dispatch.Vehicle{Class: geo.Minivan, Load: dispatch.Load{Seats: 6}}
	if p.driver, err = join(ctx, key, addrs[0], ws.Claims{Actor: dispatch.DriverActor(dispatch.DriverID(p.name)), Area: area, Vehicle: vehicle}); err != nil {
		return err
	}
	if p.rider, err = join(ctx, key, addrs[1], ws.Claims{Actor: dispatch.Actor{Role: dispatch.RolePassenger, ID: p.name}, Area: area}); err != nil {
		return err
	}
	return errors.Join(say(p.driver, wire.TypeDuty, "duty", wire.Duty{On: true}), hear(p.driver, wire.TypeDone), p.report())
}

func join(ctx context.Context, key ws.Key, addr string, claims ws.Claims) (*websocket.Conn, error) {
	token, err := ws.Mint(key, claims, time.Hour)
	if err != nil {
		return nil, err
	}
	conn, err := dialFrom(ctx, addr, "127.0.0.1", token)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(say(conn, wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()}), hear(conn, wire.TypeTruth)); err != nil {
		_ = conn.Close() // the first error is the one to tell
		return nil, err
	}
	return conn, nil
}

// report sends the driver's position.
func (p *pair) report() error {
	return say(p.driver, wire.TypePosition, "", wire.Position{Lat: p.at.Lat, Lon: p.at.Lon, Datum: wire.DatumWGS84, At: time.Now().UnixMilli()})
}

// measure lets everybody go and counts the trips completed after the warm-up.
func (c *crowd) measure(ctx context.Context) (int64, error) {
	failed := make(chan error, 2*len(c.pairs))
	for _, p := range c.pairs {
		c.done.Go(func() { failed <- p.drive() })
		c.done.Go(func() { failed <- p.ride(&c.trips) })
	}
	var before int64
	for _, span := range []time.Duration{serverWarmUp, serverMeasured} {
		before = c.trips.Load()
		select {
		case err := <-failed:
			return 0, err
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(span):
		}
	}
	return c.trips.Load() - before, nil
}

// ride asks for one trip after the other.
func (p *pair) ride(trips *atomic.Int64) error {
	for n := 0; ; n++ {
		trip := fmt.Sprintf("%s-%d", p.name, n)
		request := wire.Request{Trip: trip, Seats: 1, Pickup: pointPlace(p.at), Dropoff: pointPlace(geo.Point{Lat: p.at.Lat + 0.01, Lon: p.at.Lon})}
		for again := true; again; {
			err := say(p.rider, wire.TypeRequest, trip, request)
			if err == nil {
				again, err = awaitEnd(p.rider, trip)
			}
			if err != nil {
				return err
			}
		}
		trips.Add(1)
	}
}

func pointPlace(p geo.Point) wire.Place {
	return wire.Place{Lat: wire.Some(p.Lat), Lon: wire.Some(p.Lon), Datum: wire.DatumWGS84}
}

// awaitEnd reads until the trip is completed. Again says that the server was too busy
// to take it, and that the time it asked for has passed.
func awaitEnd(conn *websocket.Conn, trip string) (again bool, err error) {
	for {
		f, err := next(conn)
		if err != nil {
			return false, err
		}
		switch b := f.Body.(type) {
		case wire.Trip:
			if b.Trip == trip && b.State == string(dispatch.Completed) {
				return false, nil
			}
		case wire.Refused:
			if b.Code != "busy" {
				return false, fmt.Errorf("refused: %+v", b)
			}
			time.Sleep(time.Duration(b.RetryAfterMS) * time.Millisecond)
			return true, nil
		}
	}
}

func next(conn *websocket.Conn) (wire.ServerFrame, error) {
	_, frame, err := conn.ReadMessage()
	if err != nil {
		return wire.ServerFrame{}, err
	}
	return wire.DecodeServer(frame)
}

// drive accepts every offer and drives every trip at once.
func (p *pair) drive() error {
	reported := time.Now()
	for {
		f, err := next(p.driver)
		if err != nil {
			return err
		}
		switch b := f.Body.(type) {
		case wire.Offer:
			err = p.command(wire.TypeAccept, wire.Accept{Trip: b.Trip, Offer: b.Offer})
		case wire.Trip:
			err = p.goOn(b)
		case wire.Refused:
			err = fmt.Errorf("a driver is refused: %+v", b)
		}
		if err == nil && time.Since(reported) > 5*time.Second {
			reported = time.Now()
			err = p.report()
		}
		if err != nil {
			return err
		}
	}
}

func (p *pair) goOn(t wire.Trip) error {
	switch dispatch.State(t.State) {
	case dispatch.Assigned:
		return p.command(wire.TypeArrive, wire.Arrive{Trip: t.Trip})
	case dispatch.Arrived:
		return p.command(wire.TypeStart, wire.Start{Trip: t.Trip})
	case dispatch.Riding:
		return p.command(wire.TypeComplete, wire.Complete{Trip: t.Trip})
	}
	return nil
}

func (p *pair) command(t wire.Type, body any) error {
	p.commands++
	return say(p.driver, t, fmt.Sprintf("c%d", p.commands), body)
}

// stop closes all connections and waits for their people.
func (c *crowd) stop() {
	for _, p := range c.pairs {
		for _, conn := range []*websocket.Conn{p.driver, p.rider} {
			if conn != nil {
				_ = conn.Close() // nobody is left to be told
			}
		}
	}
	c.done.Wait()
}
