package client

import (
	"errors"
	"fmt"

	"cuntong/ws/wire"
)

// check says what is unsound about a mind. Tests call it after each step.
func (m *mind) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	ids, flying, seq := map[string]bool{}, 0, int64(0)
	for _, c := range append(append([]*call(nil), m.calls...), m.tracks...) {
		if ids[c.ID] {
			bad("command %s waits twice", c.ID)
		}
		ids[c.ID] = true
		if c.Session > m.session {
			bad("command %s was sent on connection %d of %d", c.ID, c.Session, m.session)
		}
	}
	for i, c := range m.calls {
		if c.Session == m.session && c.Session > 0 && !isAside(c.Type) {
			flying++
			if m.waits(i) {
				bad("command %s was sent before the one it has to wait for was answered", c.ID)
			}
		}
		if c.seq > 0 {
			if c.seq <= seq || c.seq > m.seq {
				bad("deed %d comes behind %d of %d", c.seq, seq, m.seq)
			}
			seq = c.seq
		}
		if c.Type == wire.TypeTrack {
			bad("a track is among the commands")
		}
	}
	if flying > window {
		bad("%d commands are on their way at a time", flying)
	}
	if len(m.tracks) > 1 && m.tracks[1].Session == m.session && m.tracks[1].Session > 0 {
		bad("two tracks are on their way at a time")
	}
	if n := len(m.calls); n > m.open {
		bad("%d commands wait", n)
	}
	if len(m.asides) > maxAsides || len(m.doubtful) > maxDoubtful || len(m.dark.fixes) >= maxDark || len(m.pocket.receipts) > maxPocket {
		bad("a queue is longer than its bound")
	}
	if m.stage == away && (len(m.asides) > 0 || m.spot != nil) {
		bad("without a connection something waits to be sent on it")
	}
	return errors.Join(append(errs, m.picture.check(), m.pocket.check())...)
}

func (p *picture) check() error {
	var errs []error
	if p.offer != nil && p.role != wire.RoleDriver {
		errs = append(errs, errors.New("somebody who does not drive is offered a trip"))
	}
	if len(p.trips) > maxHeld {
		errs = append(errs, fmt.Errorf("%d trips are held", len(p.trips)))
	}
	for id, h := range p.trips {
		if id == "" || h.Trip.Trip != id || h.whole == isLean(&h.Trip) || isOver(h.State) == h.ended.IsZero() {
			errs = append(errs, fmt.Errorf("trip %q is held as %+v", id, h))
		}
	}
	return errors.Join(errs...)
}

func (p *pocket) check() error {
	seen := map[string]bool{}
	for _, r := range p.receipts {
		if seen[r.Trip] || r.Text == "" {
			return fmt.Errorf("receipt of %q: %+v", r.Trip, r)
		}
		seen[r.Trip] = true
	}
	return nil
}
