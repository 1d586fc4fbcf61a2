package plan

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"cuntong/geo"
)

// maxVillages bounds the villages of a plan: the pull of every village on every
// other is worked out. A larger gazetteer is sampled by the seed.
const maxVillages = 2000

// maxPull is how many neighbours a village keeps, nearest first.
const maxPull = 64

// county is where people live and where they want to go: a singly constrained
// gravity model (A. G. Wilson, "A statistical theory of spatial distribution
// models", Transportation Research 1, 1967) with exponential deterrence.
type county struct {
	villages []geo.Village
	size     []float64 // simulated: lognormal by the seed
	markets  []int
	origins  wheel // by size; 0 where there is nowhere to go
	pull     []pull
	toMarket []pull
}

// pull is where people of one village go, with the weight of each place.
type pull struct {
	to    []int
	wheel wheel
}

func newCounty(g *geo.Gazetteer, p Places, seed uint64) (*county, error) {
	if g == nil || g.Len() < 2 {
		return nil, errors.New("plan: want a gazetteer of at least two villages")
	}
	c := &county{villages: slices.Collect(g.All())}
	if len(c.villages) > maxVillages {
		rng := Stream(seed, "sample", 0)
		rng.Shuffle(len(c.villages), func(i, j int) { c.villages[i], c.villages[j] = c.villages[j], c.villages[i] })
		c.villages = c.villages[:maxVillages]
	}
	c.size = make([]float64, len(c.villages))
	for i, v := range c.villages {
		c.size[i] = lognormal(Stream(seed, "size "+string(v.ID), 0), 0.8)
	}
	c.attract(p)
	if err := c.holdMarkets(p); err != nil {
		return nil, err
	}
	c.leadToMarket(p)
	weights := make([]float64, len(c.villages))
	for i := range weights {
		if len(c.pull[i].to) > 0 {
			weights[i] = c.size[i]
		}
	}
	c.origins = newWheel(weights)
	if c.origins[len(weights)-1] == 0 {
		return nil, fmt.Errorf("plan: no two of the %d villages are %v to %v km apart: mend places.min_km and places.max_km", len(c.villages), p.MinKM, p.MaxKM)
	}
	return c, nil
}

// attract finds what each village's people may want to go to.
func (c *county) attract(p Places) {
	c.pull = make([]pull, len(c.villages))
	for i := range c.villages {
		all := make([]int, len(c.villages))
		for j := range all {
			all[j] = j
		}
		c.pull[i] = c.pullOf(i, all, p)
	}
}

// pullOf weighs those of the candidates that lie within reach of village i.
func (c *county) pullOf(i int, candidates []int, p Places) pull {
	type near struct {
		to int
		km float64
	}
	var list []near
	for _, j := range candidates {
		km := float64(geo.Distance(c.villages[i].Centre, c.villages[j].Centre)) / 1000
		if j != i && km >= p.MinKM && km <= p.MaxKM {
			list = append(list, near{j, km})
		}
	}
	slices.SortFunc(list, func(a, b near) int { return cmp.Or(cmp.Compare(a.km, b.km), cmp.Compare(a.to, b.to)) })
	list = list[:min(len(list), maxPull)]
	out := pull{}
	weights := make([]float64, 0, len(list))
	for _, n := range list {
		out.to = append(out.to, n.to)
		weights = append(weights, c.size[n.to]*math.Exp(-n.km/p.TypicalKM))
	}
	if len(list) > 0 {
		out.wheel = newWheel(weights)
	}
	return out
}

// holdMarkets takes the named market towns, or those villages that pull most and
// do not lie in each other's yard.
func (c *county) holdMarkets(p Places) error {
	if len(p.MarketVillages) > 0 {
		for _, id := range p.MarketVillages {
			i := slices.IndexFunc(c.villages, func(v geo.Village) bool { return string(v.ID) == id })
			if i < 0 {
				return fmt.Errorf("plan: places.market_villages: no village %q in the gazetteer", id)
			}
			c.markets = append(c.markets, i)
		}
		return nil
	}
	potential := make([]float64, len(c.villages))
	byPotential := make([]int, len(c.villages))
	for i := range c.villages {
		byPotential[i] = i
		if w := c.pull[i].wheel; len(w) > 0 {
			potential[i] = c.size[i] * w[len(w)-1]
		}
	}
	slices.SortStableFunc(byPotential, func(a, b int) int { return cmp.Compare(potential[b], potential[a]) })
	for _, i := range byPotential {
		apart := !slices.ContainsFunc(c.markets, func(m int) bool {
			return float64(geo.Distance(c.villages[i].Centre, c.villages[m].Centre)) < 800*p.TypicalKM
		})
		if apart && len(c.markets) < p.Markets && potential[i] > 0 {
			c.markets = append(c.markets, i)
		}
	}
	return nil
}

func (c *county) leadToMarket(p Places) {
	c.toMarket = make([]pull, len(c.villages))
	for i := range c.villages {
		c.toMarket[i] = c.pullOf(i, c.markets, p)
	}
}

// trip draws where somebody comes from and goes to.
func (c *county) trip(rng *rand.Rand, phase *Phase) (from, to int) {
	from = c.origins.spin(rng)
	ways := c.toMarket[from]
	u := rng.Float64()
	atMarket := u < phase.ToMarket+phase.FromMarket && len(ways.to) > 0
	if !atMarket {
		ways = c.pull[from]
	}
	to = ways.to[ways.wheel.spin(rng)]
	if atMarket && u >= phase.ToMarket {
		from, to = to, from
	}
	return from, to
}
