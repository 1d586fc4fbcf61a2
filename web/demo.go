package web

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// demoToken hands an operator's token to a browser on this machine, and to nobody
// else: it opens the whole board.
func demoToken(mint func() (string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allow(w, r, http.MethodGet) {
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		if why := stranger(r); why != "" {
			answer(w, http.StatusForbidden, "error", why)
			return
		}
		token, err := mint()
		if err != nil {
			answer(w, http.StatusServiceUnavailable, "error", "No token could be made; the server's log says why. Try again in a moment.")
			return
		}
		answer(w, http.StatusOK, "token", token)
	})
}

func answer(w http.ResponseWriter, status int, key, value string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error here is a reader that has gone, and there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(map[string]string{key: value})
}

// forwarded are headers that a proxy adds: who is behind it is not on this machine
// although the connection is.
var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"}

// stranger says why a request is not from a page of ours on this machine, or "".
//
// The address alone is not enough: a page from elsewhere, open in a browser on this
// machine, connects from here too. Its own name in Host gives away one whose name
// has been bound anew to 127.0.0.1, and Origin and Sec-Fetch-Site one that asks
// across sites.
func stranger(r *http.Request) string {
	if !loopbackPeer(r.RemoteAddr) {
		return "Only a browser on the server's own machine gets a demo token. Paste an operator token instead."
	}
	for _, name := range forwarded {
		if r.Header.Get(name) != "" {
			return "A demo token is not given through a proxy. Paste an operator token instead."
		}
	}
	if !loopbackHost(r.Host) {
		return "Open the page as http://127.0.0.1 or http://localhost to get a demo token."
	}
	if !ownOrigin(r) {
		return "Only the page of this server gets a demo token."
	}
	return ""
}

// loopbackPeer says whether the other end of the connection is this machine.
func loopbackPeer(address string) bool {
	peer, err := netip.ParseAddrPort(address)
	return err == nil && peer.Addr().IsLoopback()
}

// loopbackHost says whether a browser that sent this Host was pointed at this
// machine by its number or by its one reserved name.
func loopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"))
	return err == nil && ip.IsLoopback()
}

// ownOrigin says whether the request comes from a page of this very server, or from
// no page at all. Browsers leave Origin out of a plain GET; Sec-Fetch-Site, which no
// page can forge, speaks then.
func ownOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return false
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	u, err := url.Parse(origins[0])
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return err == nil && len(origins) == 1 && u.Scheme == scheme && strings.EqualFold(u.Host, r.Host)
}
