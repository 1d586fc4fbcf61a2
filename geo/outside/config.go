package outside

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"cuntong/geo"
)

// Kind is which protocol the server speaks.
type Kind string

// The kinds. The strings are what an operator writes.
const (
	OSRM     Kind = "osrm"     // the HTTP API v1 of osrm-routed, 5.x and later
	Valhalla Kind = "valhalla" // the JSON API of Valhalla 3
)

// Config says which server is asked, and how much. A zero Timeout, Keep, Rest,
// Queue, CacheSize or Workers stands for the default that its comment names.
type Config struct {
	Kind Kind
	// URL is where the server is: http or https, a host, and a path if it has one.
	URL string
	// Fallback answers at once, and says what the server cannot. If it is a
	// [geo.Roads], its changes are set through the Router.
	Fallback geo.Router

	// Timeout bounds one question. 10 ms to 1 min; default 2 s.
	Timeout time.Duration
	// Keep is how long a correction is used; from half of it on it is asked for
	// again. 1 s to 7 days; default 15 min.
	Keep time.Duration
	// Rest is how long the server is left alone after it has failed FailuresToRest
	// times in a row. 10 ms to 1 h; default 10 s.
	Rest time.Duration
	// Queue bounds the drives that wait to be asked about; a further one is dropped
	// and counted. 1 to 100,000; default 1,024.
	Queue int
	// CacheSize bounds the corrections kept; the oldest makes room. 1 to 10,000,000;
	// default 65,536, about 8 MB.
	CacheSize int
	// Workers is how many questions are with the server at once. 1 to 64; default 2.
	Workers int

	// Count, if not nil, is called for every Event, from any goroutine, on the path of
	// every drive: it must be quick and must not block.
	Count func(Event)
}

// FailuresToRest is how many failures in a row open the breaker.
const FailuresToRest = 5

// Event is something worth counting. The string is a metric label.
type Event string

// The events. Hit, Miss, Unused and Dropped are of drives, the rest of questions to
// the server.
const (
	Hit      Event = "hit"      // a correction was known
	Miss     Event = "miss"     // none was: the built-in answer stood
	Unused   Event = "unused"   // changes to the roads were in force
	Dropped  Event = "dropped"  // the queue was full
	Answered Event = "answered" // the server answered a question
	NoRoute  Event = "no_route" // the server knew no way, or no road, for a drive
	Strange  Event = "strange"  // an answer too far from the built-in one to be believed
	Timeout  Event = "timeout"  // the server took too long
	Failed   Event = "failed"   // the server was not reached, or made no sense
	Spared   Event = "spared"   // not asked: the breaker was open
	Opened   Event = "opened"   // the breaker opened
	Closed   Event = "closed"   // the breaker closed again
)

// Events returns every Event, for those who make a counter of each. The caller owns
// the slice.
func Events() []Event {
	return []Event{Hit, Miss, Unused, Dropped, Answered, NoRoute, Strange, Timeout, Failed, Spared, Opened, Closed}
}

// filled returns the Config with its defaults, or what is wrong with it.
func (c Config) filled() (Config, error) {
	if c.Kind != OSRM && c.Kind != Valhalla {
		return c, fmt.Errorf("outside router of kind %q: want %s or %s", c.Kind, OSRM, Valhalla)
	}
	at, err := url.Parse(c.URL)
	if err != nil || (at.Scheme != "http" && at.Scheme != "https") || at.Host == "" || at.RawQuery != "" || at.Fragment != "" {
		return c, fmt.Errorf("outside router at %q: want an address such as http://127.0.0.1:5000", c.URL)
	}
	c.URL = strings.TrimRight(c.URL, "/")
	if c.Fallback == nil {
		return c, fmt.Errorf("an outside router needs a built-in one to fall back on")
	}
	if c.Count == nil {
		c.Count = func(Event) {}
	}
	for _, err := range []error{
		within("time-out", &c.Timeout, 2*time.Second, 10*time.Millisecond, time.Minute),
		within("time to keep answers", &c.Keep, 15*time.Minute, time.Second, 7*24*time.Hour),
		within("rest", &c.Rest, 10*time.Second, 10*time.Millisecond, time.Hour),
		within("queue", &c.Queue, 1024, 1, 100_000),
		within("cache", &c.CacheSize, 65_536, 1, 10_000_000),
		within("workers", &c.Workers, 2, 1, 64),
	} {
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// within puts the default in place of zero and checks the bounds.
func within[T int | time.Duration](name string, v *T, usual, low, high T) error {
	if *v == 0 {
		*v = usual
	}
	if *v < low || *v > high {
		return fmt.Errorf("outside router: %s is %v: want %v to %v", name, *v, low, high)
	}
	return nil
}
