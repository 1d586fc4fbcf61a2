package client

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

// Backoff is how long a client waits before it comes back: evenly drawn between nothing
// and Base doubled with every attempt that fails, up to Top ("full jitter": M. Brooker,
// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), on top of the least
// wait of the close code. Where the server has said when, it has drawn that for this client,
// and only up to Base comes on top: whoever waited for longer would lose his place.
type Backoff struct {
	Base, Top time.Duration
	// Steady is how long a connection has to last for the next wait to begin at Base.
	Steady time.Duration
}

func (b Backoff) complete() Backoff {
	return Backoff{cmpOr(b.Base, time.Second), cmpOr(b.Top, time.Minute), cmpOr(b.Steady, time.Minute)}
}

// draw draws the wait after so many failures.
func (b Backoff) draw(rng *rand.Rand, failures int) time.Duration {
	bound := b.Top
	if failures < 32 {
		bound = min(b.Top, b.Base<<failures)
	}
	return time.Duration(rng.Int64N(int64(bound) + 1))
}

// wait is how long to wait after an ending, and the failures after it.
func (b Backoff) wait(rng *rand.Rand, end ending, failures int) (wait time.Duration, after int) {
	if end.told {
		return end.least + b.draw(rng, 0), failures
	}
	return end.least + b.draw(rng, failures), failures + 1
}

func cmpOr[T comparable](v, other T) T { return cmp.Or(v, other) }

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = 10 * time.Minute

// placed are the codes of refused upgrades with which the server has drawn when to come.
var placed = []string{"server_full", "too_many_connect", "draining"}

// ending is how a connection, or an attempt to make one, ended.
type ending struct {
	err  error
	code int // of the close; 0: it broke, or never was
	// lasted is how long the connection was; 0 for an attempt that failed.
	lasted time.Duration
	// least is how long to wait at least, on top of the back-off; told says that the server
	// has drawn it for this client.
	least time.Duration
	told  bool
	// final: not to come back. stale: not with this token.
	final, stale bool
}

// judge says what the end of a connection means for the next one. drained is what a
// drain frame asked for, 0 without one.
func judge(err error, drained time.Duration) ending {
	end := ending{err: err}
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code == websocket.CloseAbnormalClosure {
		end.least, end.told = drained, drained > 0
		return end
	}
	code := wire.CloseCode(closed.Code)
	end.code = closed.Code
	for _, info := range wire.CloseCodes() {
		if info.Code == code {
			end.least = info.Wait
		}
	}
	switch {
	case code == wire.CloseExpired:
		end.stale = true
	case !code.ComeBack():
		end.final = true
	case drained > 0:
		end.least, end.told = drained, true
	}
	return end
}

// judgeHandshake says what a failed upgrade means. resp is nil when none came.
func judgeHandshake(resp *http.Response, err error) ending {
	end := ending{err: err}
	if resp == nil {
		return end
	}
	defer resp.Body.Close()
	var told wire.Refused
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // what came is enough, whatever ended it
	_ = json.Unmarshal(body, &told)                        // a proxy's answer is not ours
	end.err = fmt.Errorf("%w: %s %s", err, resp.Status, told.Code)
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		if s, bad := strconv.Atoi(resp.Header.Get("Retry-After")); bad == nil && s > 0 {
			end.least = min(time.Duration(min(s, 3600))*time.Second, maxRetryAfter)
			end.told = slices.Contains(placed, told.Code)
		}
	case told.Code == "token_expired":
		end.stale = true
	default:
		end.final = true
	}
	return end
}
