package hook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Secret is the key that both sides know.
type Secret []byte

// String keeps it out of logs.
func (Secret) String() string { return "(secret)" }

// Bounds of a secret, in bytes, as Standard Webhooks has them.
const (
	minSecret = 24
	maxSecret = 64
)

// ParseSecret reads a secret: "whsec_" and base64, 24 to 64 bytes.
func ParseSecret(text string) (Secret, error) {
	raw, ok := strings.CutPrefix(strings.TrimSpace(text), "whsec_")
	secret, err := base64.StdEncoding.DecodeString(raw)
	if !ok || err != nil || len(secret) < minSecret || len(secret) > maxSecret {
		return nil, errors.New(`the secret is not "whsec_" and the base64 of 24 to 64 bytes: echo "whsec_$(openssl rand -base64 32)" makes one`)
	}
	return secret, nil
}

// sign is the signature of a request.
func (s Secret) sign(id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, s)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// send makes one try, and says what came of it: sent, refused, or retried if another may
// help, and after how long at least the gateway wants it.
func (h *Hook) send(ctx context.Context, w *waiter, now time.Time) (result string, after time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeout)
	defer cancel()
	body, timestamp := w.write(), strconv.FormatInt(now.Unix(), 10)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return resultRefused, 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "cuntong-hook/1")
	req.Header["Webhook-Id"] = []string{w.id}
	req.Header["Webhook-Timestamp"] = []string{timestamp}
	req.Header["Webhook-Signature"] = []string{h.cfg.Secret.sign(w.id, timestamp, body)}
	begin := time.Now()
	resp, err := h.cfg.Client.Do(req)
	h.metrics.took.Observe(time.Since(begin).Seconds())
	if err != nil {
		h.cfg.Log.Debug("the gateway did not answer", "err", withoutAddress(err), "try", w.tries)
		return resultRetried, 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection can be used again
	switch {
	case resp.StatusCode/100 == 2:
		return resultSent, 0
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // not a number: as if it were not there
		return resultRetried, time.Duration(min(max(0, seconds), 3600)) * time.Second
	}
	h.cfg.Log.Warn("the gateway refuses a letter", "status", resp.StatusCode, "type", w.body.Type)
	return resultRefused, 0
}

// withoutAddress is an error of the client without the gateway's address, whose query may
// hold a key.
func withoutAddress(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// Results of letters, as the metric has them.
const (
	resultSent     = "sent"
	resultRetried  = "retried"
	resultRefused  = "refused"  // by the gateway, for good
	resultExpired  = "expired"  // of no use any more
	resultGivenUp  = "given_up" // tried often enough
	resultReplaced = "replaced" // overtaken by what came to be so after it
	resultDropped  = "dropped"  // too many waited
)

type metrics struct {
	letters map[string]prometheus.Counter
	took    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, depth func() int) *metrics {
	letters := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cuntong_hook_letters_total",
		Help: "Letters to the SMS or push gateway, by what became of them; one that is tried again counts as retried each time."}, []string{"result"})
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "cuntong_hook_waiting",
		Help: "Letters that wait to be sent to the gateway."}, func() float64 { return float64(depth()) })
	m := &metrics{letters: map[string]prometheus.Counter{}, took: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "cuntong_hook_seconds", Help: "Time of one request to the gateway.", Buckets: prometheus.ExponentialBuckets(0.005, 3, 8)})}
	for _, result := range []string{resultSent, resultRetried, resultRefused, resultExpired, resultGivenUp, resultReplaced, resultDropped} {
		m.letters[result] = letters.WithLabelValues(result)
	}
	if reg != nil {
		reg.MustRegister(letters, waiting, m.took)
	}
	return m
}

func (m *metrics) count(result string) { m.letters[result].Inc() }

func (cfg *Config) setDefaults() {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Client == nil {
		cfg.Client = newClient()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Chance == nil {
		cfg.Chance = rand.Float64
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
}
