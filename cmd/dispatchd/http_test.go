package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// What is sent to the hub's address is answered by the hub, which says what is wrong with
// it, and not by the page, which knows no such file.
func TestHubAnswersEveryMethod(t *testing.T) {
	hub := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	routes := publicRoutes(hub, http.NotFoundHandler(), http.NotFoundHandler(), &readiness{})
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions} {
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, httptest.NewRequest(method, "/ws", nil))
		if w.Code != http.StatusTeapot {
			t.Errorf("%s: %d is not the hub's answer", method, w.Code)
		}
	}
}
