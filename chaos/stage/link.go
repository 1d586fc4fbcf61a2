package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cuntong/chaos/plan"
)

// flapEvery is how long a flapping link is as it is.
const flapEvery = 200 * time.Millisecond

// sides are the places that one side of a cut names, each word of them resolved:
// servers, redis, master, replicas, writer:a1, s0, r0, rest (everybody not on the
// other side). Sentinels are where their data nodes are. The hub is on no side, so
// that phones reach every server.
func (d *doing) side(ctx context.Context, words string, other []string) []string {
	var found []string
	add := func(place string) { found = append(found, place) }
	for word := range strings.FieldsSeq(words) {
		switch {
		case word == "servers":
			for _, s := range d.Servers {
				add(s.place)
			}
		case word == "rest":
			for _, place := range d.inhabited() {
				if !slices.Contains(other, place) {
					add(place)
				}
			}
		case strings.HasPrefix(word, "writer:"):
			if s := d.Writer(ctx, strings.TrimPrefix(word, "writer:")); s != nil {
				add(s.place)
			}
		case strings.HasPrefix(word, "s"):
			add(word)
		default:
			for _, node := range d.nodes(ctx, word) {
				add(d.nameOf(node))
			}
		}
	}
	return found
}

// inhabited are the places where something runs.
func (d *doing) inhabited() []string {
	var all []string
	for i := range d.Set.Data {
		all = append(all, fmt.Sprint("r", i))
	}
	for _, s := range d.Servers {
		all = append(all, s.place)
	}
	return all
}

// cut loses what goes between two sides, in both directions, in one, or now and then.
func (d *doing) cut(ctx context.Context) error {
	var from, to []string
	if err := d.find(ctx, func() error {
		from = d.side(ctx, d.step.Target, nil)
		if to = d.side(ctx, d.step.To, from); len(from) == 0 || len(to) == 0 {
			return fmt.Errorf("nobody is %q or %q now", d.step.Target, d.step.To)
		}
		return nil
	}); err != nil {
		return err
	}
	d.event.Target = strings.Join(from, ",") + " | " + strings.Join(to, ",")
	// A server that is cut off together with the master waits for the end of the cut, and
	// not for a fail-over.
	d.event.Master = d.step.Fault == plan.Cut && d.Plan.Topology != "standalone" && strings.HasPrefix(d.step.Target, "master") && len(from) == 1
	d.event.From = d.now()
	set := func(lost bool) error {
		err := d.net.Block(from, to, lost)
		if d.step.Fault != plan.CutOneWay {
			err = errors.Join(err, d.net.Block(to, from, lost))
		}
		return err
	}
	if d.step.Fault == plan.Flap {
		for end := time.Now().Add(d.step.Duration()); time.Now().Before(end); {
			if err := set(true); err != nil || !pause(ctx, flapEvery) {
				return err
			}
			if err := set(false); err != nil || !pause(ctx, flapEvery) {
				return err
			}
		}
		return nil
	}
	if err := set(true); err != nil {
		return err
	}
	if !d.hold(ctx) {
		return nil
	}
	return set(false)
}
