package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"
)

// writeJSON writes every figure under a name of its own, making the folder when it
// is missing: served_30 is the percent served at 30 requests an hour, _line that of
// the straight line, _ci half a 95 % interval.
func (s *study) writeJSON(path string) error {
	figures := map[string]any{}
	put := func(key string, value float64) {
		if !math.IsNaN(value) && !math.IsInf(value, 0) {
			figures[key] = math.Round(value*1e4) / 1e4
		}
	}
	with := func(key string, e estimate) {
		put(key, e.mean)
		put(key+"_ci", e.half)
	}
	for l, load := range s.opt.loads {
		for p, policy := range s.policies {
			c, at := s.cellOf(l, p), fmt.Sprint(load)
			if p != ours {
				at += "_" + policy.key
			}
			with("served_"+at, c.served)
			with("wait_min_"+at, c.wait)
			with("empty_min_"+at, c.empty)
			with("declined_"+at, c.declined)
			with("wait_of_all_min_"+at, meanOf(s.samples(l, p, (*result).waitOfAll)))
			put("wait_p95_min_"+at, c.p95)
			if p != byLine {
				with("served_more_"+at, c.moreServed)
				with("wait_ratio_"+at, c.waitRatio)
				with("wait_of_all_ratio_"+at, c.allRatio)
				with("empty_ratio_"+at, c.emptyRatio)
			}
			put("fairness_gap_"+at, s.fairnessOf(l, p).gap())
		}
	}
	for p, policy := range s.policies {
		k := s.thinkingOf(p)
		put("decision_ms_mean_"+policy.key, k.mean)
		put("decision_ms_p99_"+policy.key, k.p99)
	}
	figures["setting"] = s.setting()
	figures["targets"] = s.verdicts()
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'))
}

// setting is what the figures depend on.
func (s *study) setting() map[string]any {
	about := map[string]any{
		"network": s.net.name, "licence": s.net.licence, "villages": len(s.net.villages), "villages_left_out": s.net.left,
		"seed": s.opt.seed, "seeds": s.opt.seeds, "loads": s.opt.loads, "drivers": s.opt.drivers,
		"patience_min": patience.Minutes(), "hours": workday.Hours(), "seconds": s.took.Round(time.Second).Seconds(),
	}
	for _, p := range s.policies {
		about["policy_"+p.key] = p.settings()
	}
	return about
}

func (s *study) verdicts() []map[string]any {
	var list []map[string]any
	for _, t := range s.targets() {
		list = append(list, map[string]any{"what": t.what, "value": math.Round(t.value*1e4) / 1e4, "bound": t.bound, "at_most": t.atMost, "within": t.within()})
	}
	return list
}

func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
