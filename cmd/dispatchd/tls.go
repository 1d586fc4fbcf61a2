package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// certEvery is how often the files of the certificate are looked at.
const certEvery = 10 * time.Second

// maxCertBytes bounds each of the two files.
const maxCertBytes = 1 << 20

// certificate is what the public side shows for TLS. It is read again when its files change; connections
// that are open keep what they were opened with.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	shown             atomic.Pointer[tls.Certificate]

	// Owned by watch.
	sum    [sha256.Size]byte // of the files as they were when last read, good or not
	broken bool              // and that they are not good has been said
}

// loadCertificate reads the certificate (PEM, with what lies between it and its authority) and its key.
func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	pair, sum, err := c.read()
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	c.sum = sum
	c.shown.Store(pair)
	return c, nil
}

// read reads both files. sum is of what they hold, also when that is no good.
func (c *certificate) read() (pair *tls.Certificate, sum [sha256.Size]byte, err error) {
	cert, err := readBounded(c.certFile)
	if err != nil {
		return nil, sum, err
	}
	key, err := readBounded(c.keyFile)
	if err != nil {
		return nil, sum, err
	}
	sum = sha256.Sum256(bytes.Join([][]byte{cert, key}, []byte{0}))
	loaded, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, sum, err
	}
	if now := time.Now(); now.After(loaded.Leaf.NotAfter) {
		return nil, sum, fmt.Errorf("the certificate ended on %s", loaded.Leaf.NotAfter.Format(time.DateOnly))
	}
	return &loaded, sum, nil
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxCertBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxCertBytes)
	}
	return os.ReadFile(path)
}

// look reads the files again if they have changed. What cannot be read or does not fit together is complained
// of once, and the certificate before it is shown on: the two files are seldom replaced in one step.
func (c *certificate) look() {
	pair, sum, err := c.read()
	switch {
	case err == nil && sum == c.sum && !c.broken:
	case err == nil:
		c.sum, c.broken = sum, false
		c.shown.Store(pair)
		c.log.Info("the certificate was read anew", "until", pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	case !c.broken || sum != c.sum:
		c.sum, c.broken = sum, true
		c.log.Error("the certificate's files are no good; the one before is shown on", "err", err)
	}
}

// watch looks every so often until ctx ends.
func (c *certificate) watch(ctx context.Context) error {
	tick := time.NewTicker(certEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			c.look()
		}
	}
}

// config is TLS 1.2 and later, with Go's choice of ciphers. Only HTTP/1.1 is offered: over HTTP/2 a WebSocket
// needs RFC 8441, which the library does not speak.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair := c.shown.Load()
			if pair == nil {
				return nil, errors.New("no certificate")
			}
			return pair, nil
		},
	}
}
