package client

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

func TestFullJitterGrowsToItsTop(t *testing.T) {
	rng, b := rand.New(rand.NewPCG(1, 2)), Backoff{}.complete()
	for failures, bound := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 4: 16 * time.Second, 6: time.Minute, 1000: time.Minute} {
		low, high := time.Hour, time.Duration(0)
		for range 2000 {
			d := b.draw(rng, failures)
			low, high = min(low, d), max(high, d)
		}
		if low > bound/50 || high > bound || high < bound*9/10 {
			t.Errorf("after %d failures it waits %v to %v: want 0 to %v", failures, low, high, bound)
		}
	}
}

// Who has been told when to come back comes then, and waits no longer for having been told twice.
func TestAPlaceInTheLineIsKept(t *testing.T) {
	rng, b := rand.New(rand.NewPCG(1, 2)), Backoff{}.complete()
	place := ending{least: 9 * time.Second, told: true}
	for failures := range 8 {
		if wait, after := b.wait(rng, place, failures); wait < 9*time.Second || wait > 10*time.Second || after != failures {
			t.Errorf("told after %d failures: %v, then %d", failures, wait, after)
		}
	}
	longest := time.Duration(0)
	for range 100 {
		wait, after := b.wait(rng, ending{least: 9 * time.Second}, 5)
		longest = max(longest, wait)
		if after != 6 || wait < 9*time.Second {
			t.Fatalf("not told: %v, then %d", wait, after)
		}
	}
	if longest < 20*time.Second {
		t.Errorf("not told, it waits %v at most", longest)
	}
}

// The table of the manual, row by row, and codes that are not in it.
func TestCloseCodesSayWhetherAndWhenToComeBack(t *testing.T) {
	for _, info := range wire.CloseCodes() {
		end := judge(&websocket.CloseError{Code: int(info.Code)}, 0)
		stale := info.Code == wire.CloseExpired
		if end.final != (!info.ComeBack && !stale) || end.stale != stale || end.least != info.Wait || end.code != int(info.Code) {
			t.Errorf("%d: %+v", info.Code, end)
		}
	}
	for code, final := range map[int]bool{4999: true, 4499: false, 1006: false, 1011: false} {
		if end := judge(&websocket.CloseError{Code: code}, 0); end.final != final {
			t.Errorf("%d: %+v", code, end)
		}
	}
	drained := judge(&websocket.CloseError{Code: int(wire.CloseDrain)}, 7*time.Second)
	broken := judge(io.ErrUnexpectedEOF, 7*time.Second)
	turned := judge(&websocket.CloseError{Code: int(wire.CloseFull)}, 7*time.Second)
	for _, end := range []ending{drained, broken, turned} {
		if end.least != 7*time.Second || !end.told || end.final {
			t.Errorf("after a drain: %+v", end)
		}
	}
	if end := judge(io.ErrUnexpectedEOF, 0); end.told || end.least != 0 {
		t.Errorf("broken: %+v", end)
	}
}

func TestHandshakeAnswersSayWhetherAndWhenToComeBack(t *testing.T) {
	for _, c := range []struct {
		status       int
		body         string
		final, stale bool
	}{
		{503, `{"kind":"unavailable","code":"unavailable"}`, false, false}, {503, `{"code":"draining"}`, false, false},
		{503, `{"code":"server_full"}`, false, false}, {503, `{"code":"too_many_connect"}`, false, false}, {429, "", false, false}, {502, "<html>", false, false}, {500, "", false, false},
		{400, "", true, false}, {401, `{"code":"bad_token"}`, true, false}, {401, `{"code":"token_expired"}`, false, true},
		{403, "", true, false}, {404, "", true, false}, {426, "", true, false},
	} {
		resp := &http.Response{StatusCode: c.status, Status: http.StatusText(c.status), Header: http.Header{"Retry-After": {"7"}}, Body: io.NopCloser(strings.NewReader(c.body))}
		end := judgeHandshake(resp, websocket.ErrBadHandshake)
		if end.final != c.final || end.stale != c.stale || c.status >= 429 && end.least != 7*time.Second {
			t.Errorf("%d %s: %+v", c.status, c.body, end)
		}
		if ours := c.status == 503 && !strings.Contains(c.body, "kind"); end.told != ours {
			t.Errorf("%d %s: told %t", c.status, c.body, end.told)
		}
	}
	if end := judgeHandshake(nil, errors.New("refused")); end.final || end.least != 0 {
		t.Errorf("no answer: %+v", end)
	}
}
