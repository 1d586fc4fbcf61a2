package plan

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// MaxScenarioBytes bounds a scenario file.
const MaxScenarioBytes = 1 << 20

// Decode reads a scenario file over [Default] and checks it. It is strict: a
// field that does not exist, comes twice or is out of range is an error, because
// a misspelt probability would otherwise pass for a result.
func Decode(file []byte) (Scenario, error) {
	s := Default()
	if len(file) > MaxScenarioBytes {
		return s, fmt.Errorf("scenario is %d bytes long: at most %d", len(file), MaxScenarioBytes)
	}
	if err := json.Unmarshal(file, &s, json.RejectUnknownMembers(true)); err != nil {
		return Scenario{}, fmt.Errorf("scenario: %w", err)
	}
	if err := s.Validate(); err != nil {
		return Scenario{}, fmt.Errorf("scenario %q: %w", s.Name, err)
	}
	return s, nil
}

// Validate says what is out of range, all at once.
func (s *Scenario) Validate() error {
	c := new(checks)
	c.that(s.Name != "" && utf8.RuneCountInString(s.Name) <= 100, "name: want 1 to 100 characters")
	c.within("time_scale", s.TimeScale, 1, 600)
	c.within("settle_s", s.SettleSeconds, 0, 3600)
	c.within("number of phases", float64(len(s.Phases)), 1, 100)
	for i, p := range s.Phases {
		p.check(c, fmt.Sprintf("phases[%d]", i))
	}
	s.Places.check(c)
	s.Drivers.check(c)
	s.Riders.check(c)
	return errors.Join(c.faults...)
}

func (p *Phase) check(c *checks, at string) {
	c.that(p.Name != "", at+".name: is missing")
	c.within(at+".start_s", p.StartSeconds, 0, 86_400)
	c.that(p.DurationSeconds > 0 && p.DurationSeconds <= 86_400, at+".duration_s: want more than 0, at most 86400")
	c.within(at+".requests_per_min", p.PerMinute, 0, 60_000)
	c.within(at+".requests_per_min_at_end", p.rateAtEnd(), 0, 60_000)
	c.share(at+".to_market", p.ToMarket)
	c.share(at+".from_market", p.FromMarket)
	c.that(p.ToMarket+p.FromMarket <= 1, at+": to_market and from_market are more than 1 together")
}

func (p *Places) check(c *checks) {
	c.within("places.markets", float64(p.Markets), 1, 100)
	c.within("number of places.market_villages", float64(len(p.MarketVillages)), 0, 100)
	c.within("places.typical_km", p.TypicalKM, 0.1, 500)
	c.within("places.min_km", p.MinKM, 0.1, 500)
	c.within("places.max_km", p.MaxKM, 0.1, 500)
	c.that(p.MinKM < p.MaxKM, "places: min_km is not less than max_km")
	c.within("places.circuity", p.Circuity, 1, 4)
}

func (d *Drivers) check(c *checks) {
	c.within("drivers.count", float64(d.Count), 0, 20_000)
	c.within("drivers.connect_over_s", d.ConnectOverSeconds, 0, 3600)
	c.within("drivers.position_every_s", d.PositionEverySeconds, 0.5, 60)
	c.within("drivers.position_jitter", d.PositionJitter, 0, 0.9)
	c.within("drivers.gps_noise_m", d.GPSNoiseMeters, 0, 200)
	c.within("drivers.clock_off_s", d.ClockOffSeconds, 0, 86_400)
	c.weights("drivers.fleet", d.Fleet.Minivan, d.Fleet.Car, d.Fleet.Minibus, d.Fleet.Pickup)
	c.span("drivers.think_s", d.ThinkSeconds, 600)
	c.share("drivers.decline", d.Decline)
	c.share("drivers.lapse", d.Lapse)
	c.that(d.Decline+d.Lapse <= 1, "drivers: decline and lapse are more than 1 together")
	c.share("drivers.release", d.Release)
	c.share("drivers.no_show", d.NoShow)
	c.span("drivers.board_s", d.BoardSeconds, 600)
	c.span("drivers.rest_s", d.RestSeconds, 3600)
	c.share("drivers.wander", d.Wander)
	d.Coverage.check(c, "drivers")
}

func (r *Riders) check(c *checks) {
	c.within("riders.passengers", float64(r.Passengers), 0, 20_000)
	c.within("riders.agents", float64(r.Agents), 0, 1000)
	c.that(r.Passengers+r.Agents > 0, "riders: neither passengers nor agents: nobody could book")
	c.share("riders.agent_share", r.AgentShare)
	c.within("riders.connect_over_s", r.ConnectOverSeconds, 0, 3600)
	c.within("number of riders.party_weights", float64(len(r.PartyWeights)), 1, 12)
	c.weights("riders.party_weights", r.PartyWeights...)
	c.share("riders.wheelchair", r.Wheelchair)
	c.share("riders.goods", r.Goods)
	c.share("riders.by_point", r.ByPoint)
	c.span("riders.patience_s", r.PatienceSeconds, 86_400)
	c.share("riders.change_mind", r.ChangeMind)
	c.share("riders.cancel_assigned", r.CancelAssigned)
	c.span("riders.change_after_s", r.ChangeAfterSeconds, 3600)
	r.Coverage.check(c, "riders")
}

func (v *Coverage) check(c *checks, at string) {
	c.within(at+".dark_per_hour", v.DarkPerHour, 0, 3600)
	c.span(at+".dark_s", v.DarkSeconds, 3600)
	c.share(at+".duplicate", v.Duplicate)
}

// checks collects faults. Comparisons are written so that NaN fails.
type checks struct{ faults []error }

func (c *checks) that(ok bool, fault string) {
	if !ok {
		c.faults = append(c.faults, errors.New(fault))
	}
}

func (c *checks) within(name string, v, low, high float64) {
	c.that(v >= low && v <= high, fmt.Sprintf("%s is %v: want %v to %v", name, v, low, high))
}

func (c *checks) share(name string, v float64) { c.within(name, v, 0, 1) }

func (c *checks) span(name string, r Range, high float64) {
	c.that(r[0] >= 0 && r[0] <= r[1] && r[1] <= high, fmt.Sprintf("%s is %v: want [least, greatest] within 0 to %v", name, r, high))
}

func (c *checks) weights(name string, list ...float64) {
	sum := 0.0
	for _, w := range list {
		c.that(w >= 0 && w <= 1e6, fmt.Sprintf("%s has the weight %v: want 0 to 1000000", name, w))
		sum += w
	}
	c.that(sum > 0, name+": no weight is more than 0")
}
