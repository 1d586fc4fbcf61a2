package report

import (
	"slices"
	"strings"
	"testing"

	"cuntong/loadtest/plan"
	"cuntong/loadtest/swarm"
)

func TestThresholdGrammar(t *testing.T) {
	for in, want := range map[string]Threshold{
		"request_to_offer_p99_ms>250":       {"request_to_offer_p99_ms", ">", 250},
		" unserved  >=  10 ":                {"unserved", ">=", 10},
		"completed_share<0.95":              {"completed_share", "<", 0.95},
		"reconnects <= 1e3":                 {"reconnects", "<=", 1000},
		"violations!=0":                     {"violations", "!=", 0},
		"requests_done==0":                  {"requests_done", "==", 0},
		"position_to_visible_p99_9_ms > -1": {"position_to_visible_p99_9_ms", ">", -1},
	} {
		got, err := ParseThreshold(in)
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v: want %+v", in, got, err, want)
		}
		if again, err := ParseThreshold(got.String()); err != nil || again != want {
			t.Errorf("%q is written %q, which is %+v, %v", in, got, again, err)
		}
	}
}

func TestThresholdRefuses(t *testing.T) {
	for _, in := range []string{"", "violations", ">1", "violations>", "violations>x", "violations=1", "violations=>1", "violations>1>2", "violations>NaN", "violations>Inf", "violation>1", "request_to_offer>1", "request_to_offer_p95_ms>1", "violations>1;x"} {
		if got, err := ParseThreshold(in); err == nil {
			t.Errorf("%q is %+v: want an error", in, got)
		}
	}
}

// TestEveryFigureExists makes sure that no threshold can name what is never reported.
func TestEveryFigureExists(t *testing.T) {
	r := sample()
	for _, us := range []int64{1000, 2000} {
		if err := r.Latencies[0].Histogram.RecordValue(us); err != nil {
			t.Fatal(err)
		}
	}
	rep := New(r)
	for _, name := range FigureNames() {
		if _, ok := rep.Figures[name]; !ok {
			t.Errorf("%s may be named and is not reported", name)
		}
	}
	for name := range rep.Figures {
		if !slices.Contains(FigureNames(), name) {
			t.Errorf("%s is reported and may not be named", name)
		}
	}
}

func TestJudge(t *testing.T) {
	verdict := func(r *swarm.Result, s string) (broken, ok bool) {
		t.Helper()
		rep := judged(t, r, s)
		return rep.Thresholds[len(rep.Thresholds)-1].Broken, rep.OK
	}
	for s, want := range map[string]bool{
		"completed>531": false, "completed>=531": true, "completed<531": false, "completed<=531": true, "completed==531": true, "completed!=531": false,
		"connect_p99_ms>1000": true, // never measured
	} {
		if broken, ok := verdict(sample(), s); broken != want || ok == want {
			t.Errorf("%q: broken %v, ok %v: want %v, %v", s, broken, ok, want, !want)
		}
	}
	for _, counter := range []string{"violations", "requests_shed"} {
		r := sample()
		r.Counts[counter] = 1
		if _, ok := verdict(r, "completed<1"); ok {
			t.Errorf("a run with %s passes", counter)
		}
	}
	if rep := New(&swarm.Result{Scenario: plan.Default()}); rep.OK {
		if rep.Judge(nil); rep.OK {
			t.Error("a run that counted nothing passes")
		}
	}
}

func FuzzParseThreshold(f *testing.F) {
	f.Add("request_to_offer_p99_ms>250")
	f.Add(" completed_share <= .5")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseThreshold(s)
		if err != nil {
			return
		}
		again, err := ParseThreshold(got.String())
		if err != nil || again != got {
			t.Fatalf("%q is %+v, written %q, read as %+v, %v", s, got, got.String(), again, err)
		}
		if !strings.HasPrefix(strings.TrimSpace(s), got.Figure) {
			t.Fatalf("%q names %q", s, got.Figure)
		}
	})
}
