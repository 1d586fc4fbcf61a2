package plan

import "time"

// Scenario is a load test as its author describes it. Fields that a file leaves
// out have the value of [Default]. Times are in seconds, shares are 0 to 1.
type Scenario struct {
	// Name heads the report.
	Name string `json:"name"`
	// About says in a sentence what the scenario is for.
	About string `json:"about,omitzero"`
	// TimeScale is how much faster than in life the vehicles move: 60 lets an hour's
	// ride take a minute. Everything else keeps its own pace. 1 to 600.
	TimeScale float64 `json:"time_scale"`
	// SettleSeconds is how long trips may go on after the last booking before they
	// are called off. 0 to 3,600.
	SettleSeconds float64 `json:"settle_s"`
	// Repeat begins the phases again when they are over, until somebody stops the run.
	Repeat bool `json:"repeat,omitzero"`
	// Phases say when how many bookings come. They may overlap; rates add up. 1 to 100.
	Phases  []Phase `json:"phases"`
	Places  Places  `json:"places"`
	Drivers Drivers `json:"drivers"`
	Riders  Riders  `json:"riders"`
}

// Phase is a stretch of time with a rate of bookings.
type Phase struct {
	Name string `json:"name"`
	// StartSeconds counts from the first booking. 0 to 86,400.
	StartSeconds float64 `json:"start_s"`
	// DurationSeconds is more than 0, at most 86,400.
	DurationSeconds float64 `json:"duration_s"`
	// PerMinute is the rate at the start. 0 to 60,000.
	PerMinute float64 `json:"requests_per_min"`
	// EndPerMinute is the rate at the end, with a straight line between; absent, the rate is constant.
	EndPerMinute *float64 `json:"requests_per_min_at_end,omitzero"`
	// ToMarket is the share that goes from a village to its market town, FromMarket
	// the share that goes back; the rest goes from any village to any other.
	ToMarket   float64 `json:"to_market,omitzero"`
	FromMarket float64 `json:"from_market,omitzero"`
}

// Places says how far people go.
type Places struct {
	// Markets is how many villages hold a market today, when MarketVillages is empty. 1 to 100.
	Markets int `json:"markets"`
	// MarketVillages names them by village id.
	MarketVillages []string `json:"market_villages,omitzero"`
	// TypicalKM is the straight distance at which a place has lost two thirds of its
	// pull; MinKM and MaxKM bound a trip. 0.1 to 500.
	TypicalKM float64 `json:"typical_km"`
	MinKM     float64 `json:"min_km"`
	MaxKM     float64 `json:"max_km"`
	// Circuity is how much longer the roads are than the straight line. 1 to 4.
	Circuity float64 `json:"circuity"`
}

// Drivers says who drives and how they behave.
type Drivers struct {
	// Count is the number of drivers, a socket each. 0 to 20,000.
	Count int `json:"count"`
	// ConnectOverSeconds is the time over which they come online. 0 to 3,600.
	ConnectOverSeconds float64 `json:"connect_over_s"`
	// PositionEverySeconds is the time between two positions, give or take the share
	// PositionJitter of it. 0.5 to 60; 0 to 0.9.
	PositionEverySeconds float64 `json:"position_every_s"`
	PositionJitter       float64 `json:"position_jitter"`
	// GPSNoiseMeters is the standard deviation of a position in each direction. 0 to 200.
	GPSNoiseMeters float64 `json:"gps_noise_m"`
	// ClockOffSeconds is how wrong a phone's clock may be, either way. 0 to 86,400.
	ClockOffSeconds float64 `json:"clock_off_s"`
	// Fleet weighs the classes of vehicle.
	Fleet Fleet `json:"fleet"`
	// ThinkSeconds is from the offer to the answer. Up to 600.
	ThinkSeconds Range `json:"think_s"`
	// Decline, Lapse: the share of offers turned down, and not answered at all.
	Decline float64 `json:"decline"`
	Lapse   float64 `json:"lapse"`
	// Release is the share of accepted trips given back on the way to the pickup.
	Release float64 `json:"release"`
	// NoShow is the share of pickups at which nobody seems to wait. The driver reports
	// it; when the server finds that too early, the party turns up after all.
	NoShow float64 `json:"no_show"`
	// BoardSeconds is from the arrival at the pickup to the start. Up to 600.
	BoardSeconds Range `json:"board_s"`
	// RestSeconds is how long an idle driver stays in a place; then he drives to a
	// neighbouring village with the probability Wander, else to the market. Up to 3,600.
	RestSeconds Range   `json:"rest_s"`
	Wander      float64 `json:"wander"`
	Coverage    `json:",inline"`
}

// Fleet weighs the classes of vehicle; only the proportions count.
type Fleet struct {
	Minivan float64 `json:"minivan"`
	Car     float64 `json:"car"`
	Minibus float64 `json:"minibus"`
	Pickup  float64 `json:"pickup"`
}

// Riders says who books and how they behave.
type Riders struct {
	// Passengers is the number of people who book for themselves, a socket each. 0 to 20,000.
	Passengers int `json:"passengers"`
	// Agents is the number of village agents who book for others, a socket each. 0 to 1,000.
	Agents int `json:"agents"`
	// AgentShare is the share of bookings that come through an agent. It is 1 without
	// passengers and 0 without agents.
	AgentShare float64 `json:"agent_share"`
	// ConnectOverSeconds is the time over which they come online. 0 to 3,600.
	ConnectOverSeconds float64 `json:"connect_over_s"`
	// PartyWeights weighs parties of 1, 2, 3… people. 1 to 12 weights.
	PartyWeights []float64 `json:"party_weights"`
	// Wheelchair and Goods are the shares of parties with a wheelchair, and with 20 to 160 litres of goods.
	Wheelchair float64 `json:"wheelchair"`
	Goods      float64 `json:"goods"`
	// ByPoint is the share of pickups given as a point (half of them in GCJ-02) and not as a village.
	ByPoint float64 `json:"by_point"`
	// PatienceSeconds is how long a party waits for a driver before it cancels. Up to 86,400.
	PatienceSeconds Range `json:"patience_s"`
	// ChangeMind is the share that cancels while it waits, CancelAssigned the share that
	// cancels after a driver has been found; both after ChangeAfterSeconds, if that is still possible.
	ChangeMind         float64 `json:"change_mind"`
	CancelAssigned     float64 `json:"cancel_assigned"`
	ChangeAfterSeconds Range   `json:"change_after_s"`
	Coverage           `json:",inline"`
}

// Coverage says how bad the network is.
type Coverage struct {
	// DarkPerHour is how often an hour a phone drives into a valley without signal. 0 to 3,600.
	DarkPerHour float64 `json:"dark_per_hour"`
	// DarkSeconds is how long it stays there. Half of the time the connection is cut,
	// half of the time it just falls silent. Up to 3,600.
	DarkSeconds Range `json:"dark_s"`
	// Duplicate is the share of commands that the phone sends twice under one id.
	Duplicate float64 `json:"duplicate"`
}

// Range is the least and the greatest of something drawn evenly between them.
type Range [2]float64

// Default is a quiet county with good manners: what a file that says only a name
// and a phase gets.
func Default() Scenario {
	return Scenario{
		TimeScale:     1,
		SettleSeconds: 15,
		Places:        Places{Markets: 3, TypicalKM: 10, MinKM: 1.5, MaxKM: 30, Circuity: 1.8},
		Drivers: Drivers{
			Count: 100, ConnectOverSeconds: 2,
			PositionEverySeconds: 3, PositionJitter: 0.2, GPSNoiseMeters: 6,
			Fleet:        Fleet{Minivan: 50, Car: 30, Minibus: 10, Pickup: 10},
			ThinkSeconds: Range{1, 4}, BoardSeconds: Range{2, 6},
			RestSeconds: Range{20, 90}, Wander: 0.5,
			Coverage: Coverage{DarkSeconds: Range{5, 20}},
		},
		Riders: Riders{
			Passengers: 100, Agents: 4, AgentShare: 0.25, ConnectOverSeconds: 2,
			PartyWeights:    []float64{55, 27, 11, 7},
			PatienceSeconds: Range{300, 900}, ChangeAfterSeconds: Range{2, 20},
			Coverage: Coverage{DarkSeconds: Range{5, 20}},
		},
	}
}

// Length is the time from the first possible booking to the end of the last
// phase. A repeating scenario has one such stretch after the other.
func (s *Scenario) Length() time.Duration {
	end := 0.0
	for _, p := range s.Phases {
		end = max(end, p.end())
	}
	return seconds(end)
}

// Settle is SettleSeconds as a duration.
func (s *Scenario) Settle() time.Duration { return seconds(s.SettleSeconds) }

// Lasting returns s with exactly that length, once: phases are cut there, or the
// one that ends last goes on until then at its last rate.
func (s Scenario) Lasting(length time.Duration) Scenario {
	limit := length.Seconds()
	var phases []Phase
	last := -1
	for _, p := range s.Phases {
		if p.StartSeconds >= limit {
			continue
		}
		if p.end() > limit {
			p = p.cutAt(limit)
		}
		phases = append(phases, p)
		if last < 0 || p.end() > phases[last].end() {
			last = len(phases) - 1
		}
	}
	if last >= 0 && phases[last].end() < limit {
		rest := phases[last]
		rest.StartSeconds, rest.DurationSeconds = rest.end(), limit-rest.end()
		rest.PerMinute, rest.EndPerMinute = phases[last].rateAtEnd(), nil
		phases = append(phases, rest)
	}
	s.Phases, s.Repeat = phases, false
	return s
}

// AtRate returns s with one phase of that rate and the same length, and with the
// flows of its first phase.
func (s Scenario) AtRate(perMinute float64) Scenario {
	one := Phase{Name: "constant rate", DurationSeconds: s.Length().Seconds(), PerMinute: perMinute}
	if len(s.Phases) > 0 {
		one.ToMarket, one.FromMarket = s.Phases[0].ToMarket, s.Phases[0].FromMarket
	}
	s.Phases = []Phase{one}
	return s
}

func (p Phase) end() float64 { return p.StartSeconds + p.DurationSeconds }

func (p Phase) rateAtEnd() float64 {
	if p.EndPerMinute == nil {
		return p.PerMinute
	}
	return *p.EndPerMinute
}

// rateAt is the bookings a second at t seconds, 0 outside the phase.
func (p Phase) rateAt(t float64) float64 {
	if t < p.StartSeconds || t >= p.end() {
		return 0
	}
	along := (t - p.StartSeconds) / p.DurationSeconds
	return (p.PerMinute + along*(p.rateAtEnd()-p.PerMinute)) / 60
}

func (p Phase) cutAt(t float64) Phase {
	along := (t - p.StartSeconds) / p.DurationSeconds
	if p.EndPerMinute != nil {
		end := p.PerMinute + along*(*p.EndPerMinute-p.PerMinute)
		p.EndPerMinute = &end
	}
	p.DurationSeconds = t - p.StartSeconds
	return p
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
