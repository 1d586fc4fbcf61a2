package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// certFiles is a certificate of its own authority, in files.
type certFiles struct {
	t         testing.TB
	cert, key string
	roots     *x509.CertPool
}

func newCertFiles(t testing.TB) *certFiles {
	dir := t.TempDir()
	f := &certFiles{t: t, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), roots: x509.NewCertPool()}
	f.renew(1, time.Hour)
	return f
}

// renew writes a new certificate, which the roots trust too.
func (f *certFiles) renew(serial int64, life time.Duration) {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-2 * time.Hour),
		NotAfter: time.Now().Add(life), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		f.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	f.roots.AppendCertsFromPEM(text)
	f.write(f.cert, text)
	f.write(f.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func (f *certFiles) write(path string, text []byte) {
	f.t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// serial shakes hands and returns the number of the certificate that is shown.
func (f *certFiles) serial(addr string) int64 {
	f.t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: f.roots, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	if p := conn.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
		f.t.Errorf("the protocol is %q: WebSockets need http/1.1", p)
	}
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestTLS: real handshakes before and after the certificate changes, with a phone that stays connected.
func TestTLS(t *testing.T) {
	files := newCertFiles(t)
	var log bytes.Buffer
	cert, err := loadCertificate(files.cert, files.key, newLog(&log, "json", "info"))
	if err != nil {
		t.Fatal(err)
	}
	upgrader := websocket.Upgrader{}
	side, addr := startSide(t, cert, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, frame, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, frame) != nil {
				return
			}
		}
	}))
	defer side.server.Close()
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: files.roots}}
	phone, _, err := dialer.Dial("wss://"+addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer phone.Close()
	echo := func() {
		t.Helper()
		if err := phone.WriteMessage(websocket.TextMessage, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, frame, err := phone.ReadMessage(); err != nil || string(frame) != "x" {
			t.Fatalf("%q %v", frame, err)
		}
	}
	echo()
	shows := func(want int64) {
		t.Helper()
		cert.look()
		cert.look()
		if got := files.serial(addr); got != want {
			t.Errorf("certificate %d is shown, want %d", got, want)
		}
		echo()
	}
	shows(1)
	files.renew(2, time.Hour)
	shows(2)
	key, _ := os.ReadFile(files.key)
	files.write(files.key, []byte("half a k"))
	shows(2)
	files.write(files.key, key)
	shows(2)
	files.renew(3, -time.Hour) // has ended
	shows(2)
	if err := os.Remove(files.cert); err != nil {
		t.Fatal(err)
	}
	shows(2)
	files.renew(4, time.Hour)
	shows(4)
	if said := strings.Count(log.String(), "are no good"); said != 3 {
		t.Errorf("it was complained of %d times, want 3:\n%s", said, log.String())
	}
	if strings.Contains(log.String(), "PRIVATE") || strings.Contains(log.String(), "half a k") {
		t.Error("the log shows the key")
	}

	for name, config := range map[string]*tls.Config{
		"TLS 1.1":    {RootCAs: files.roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"a stranger": {},
	} {
		if conn, err := tls.Dial("tcp", addr, config); err == nil {
			conn.Close()
			t.Errorf("%s: shook hands", name)
		}
	}
	if _, err := loadCertificate(files.cert, files.cert, newLog(&log, "json", "info")); err == nil {
		t.Error("a certificate without its key was taken")
	}
	// ws:// on the side that speaks TLS is refused, and says so.
	if resp, err := http.Get("http://" + addr + "/ws"); err == nil {
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("plain HTTP on the TLS side: %d", resp.StatusCode)
		}
		resp.Body.Close()
	}
}

// startSide serves a handler as the public side with a certificate, if there is one.
func startSide(t *testing.T, cert *certificate, handler http.Handler, change ...func(*http.Server)) (*httpServer, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if cert != nil {
		listener = tls.NewListener(listener, cert.config())
	}
	side := newHTTPServer(listener, handler, newLog(&bytes.Buffer{}, "json", "error"))
	for _, f := range change {
		f(&side.server)
	}
	go side.run()
	return side, addr
}

// TestSlowHeaders: whoever sends his request a byte at a time is cut off, and so is one whose header is too long.
func TestSlowHeaders(t *testing.T) {
	side, addr := startSide(t, nil, http.NotFoundHandler(), func(h *http.Server) {
		if h.ReadHeaderTimeout < 25*time.Second || h.ReadHeaderTimeout > 30*time.Second || h.IdleTimeout <= 0 || h.MaxHeaderBytes > 32<<10 {
			t.Errorf("limits: %v %v %d", h.ReadHeaderTimeout, h.IdleTimeout, h.MaxHeaderBytes)
		}
		h.ReadHeaderTimeout = 200 * time.Millisecond
	})
	defer side.server.Close()
	patient, patientAddr := startSide(t, nil, http.NotFoundHandler())
	defer patient.server.Close()
	begin := time.Now() // before the server can begin to count
	slow, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := slow.Read(make([]byte, 1)) // nothing is answered before the request is whole
		ended <- err
	}()
	text := "GET /ws HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: b\r\n", 10_000)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ended:
			if time.Since(begin) < 200*time.Millisecond {
				t.Error("it was cut off at once")
			}
			long, err := net.Dial("tcp", patientAddr)
			if err != nil {
				t.Fatal(err)
			}
			defer long.Close()
			go long.Write([]byte(text))
			answer := make([]byte, 64)
			if n, _ := long.Read(answer); !strings.Contains(string(answer[:n]), "431") {
				t.Errorf("a header of 80 KB: %q", answer[:n])
			}
			return
		case <-tick.C:
			slow.Write([]byte{text[i]})
		}
	}
}
