package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// healthcheckCmd asks a running server whether it is ready. It exists because a
// container image of one static program has no other program to ask with.
type healthcheckCmd struct {
	URL  string        `name:"url" default:"http://127.0.0.1:8080/readyz" help:"What to ask."`
	Wait time.Duration `default:"3s" help:"How long to wait for the answer."`
}

// Run returns nil when the server is ready.
func (c *healthcheckCmd) Run(std *std) error {
	req, err := http.NewRequestWithContext(std.ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: c.Wait}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	_, err = fmt.Fprintln(std.out, strings.TrimSpace(string(body)))
	return err
}
