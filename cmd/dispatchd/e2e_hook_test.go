package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWordToTheDark lets a passenger go after he has asked: what becomes of his trip goes
// to the county's gateway, signed, and once; and so does an offer to a driver who is away.
func TestWordToTheDark(t *testing.T) {
	secret := []byte("thirty-two bytes of county secret")
	file := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(file, []byte("whsec_"+base64.StdEncoding.EncodeToString(secret)), 0o600); err != nil {
		t.Fatal(err)
	}
	type word struct {
		Type string
		Data struct {
			To   struct{ Role, ID string }
			Trip string
		}
	}
	words := make(chan word, 100)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "." + string(body)))
		if r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			t.Errorf("a request is not signed: %v", r.Header)
		}
		var got word
		if err := json.Unmarshal(body, &got); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		words <- got
	}))
	defer gateway.Close()
	next := func(kind, id, trip string) {
		t.Helper()
		select {
		case got := <-words:
			if got.Type != kind || got.Data.To.ID != id || got.Data.Trip != trip {
				t.Errorf("the gateway got %+v, want %s of %s to %s", got, kind, trip, id)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("the gateway got no %s of %s to %s", kind, trip, id)
		}
	}
	p := startServer(t, t.TempDir(), "--redis", "embedded", "--hook-url", gateway.URL, "--hook-secret-file", file, "--confirm-wait", "2s")
	until(t, "the server is ready", p.ready)
	driver := p.driver("d1", 26.00, 109.00)
	rider := p.dial("passenger", "p1")
	rider.ask("t1", 26.01, 109.00)
	rider.hear("done", "re=ask-t1")
	rider.conn.Close()
	until(t, "the rider is gone", func() bool {
		_, body := get(t, "http://"+p.private+"/metrics")
		return connections(body, "passenger") == "0"
	})
	driver.accept("t1")
	next("trip.assigned", "p1", "t1")
	driver.do("arrive", "t1")
	next("trip.arrived", "p1", "t1")
	driver.do("start", "t1")
	next("trip.riding", "p1", "t1")
	driver.do("complete", "t1")
	next("trip.completed", "p1", "t1")
	if len(words) != 0 {
		t.Errorf("the gateway got more: %+v", <-words)
	}
}

// TestMatchingStopsUsingADeadLink: a driver whose phone goes silent on duty is not asked
// any more, though his position would count for a while yet.
func TestMatchingStopsUsingADeadLink(t *testing.T) {
	p := startServer(t, t.TempDir(), "--redis", "embedded", "--duty-ping", "1s", "--duty-silent", "2s", "--fresh-for", "10m")
	until(t, "the server is ready", p.ready)
	near, far := p.driver("d1", 26.00, 109.00), p.driver("d2", 26.05, 109.00)
	// His phone hears and does not answer: he sends nothing, and no pong.
	near.conn.SetPingHandler(func(string) error { return nil })
	until(t, "the near one is given up", func() bool {
		far.at(26.05, 109.00)
		_, body := get(t, "http://"+p.private+"/metrics")
		return connections(body, "driver") == "1"
	})
	rider := p.dial("passenger", "p1")
	rider.ask("t1", 26.00, 109.00)
	far.hear("offer", "trip=t1")
}

// connections reads from the metrics how many connections of a role there are.
func connections(metrics, role string) string {
	_, rest, _ := strings.Cut(metrics, `cuntong_ws_connections{role="`+role+`"} `)
	n, _, _ := strings.Cut(rest, "\n")
	return n
}
