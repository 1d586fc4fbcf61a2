package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
)

// child is another process of this program.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Scanner
}

// startChild runs this program again with other arguments. It ends when its
// standard input does, so that none is left behind.
func startChild(ctx context.Context, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"child"}, args...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{cmd: cmd, stdin: stdin, out: bufio.NewScanner(stdout)}, nil
}

// line returns the next line that the child prints.
func (c *child) line() (string, error) {
	if !c.out.Scan() {
		return "", errors.Join(errors.New("a child process ended early"), c.out.Err())
	}
	return c.out.Text(), nil
}

func (c *child) stop() {
	_ = c.stdin.Close() // ends it
	_ = c.cmd.Wait()    // how it ended does not matter any more
}

// runChild is what a child process does. It returns when its standard input ends.
func runChild(args []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what we wait for
		cancel()
	}()
	switch {
	case len(args) == 1 && args[0] == "memory-server":
		return memoryServer(ctx)
	case len(args) == 5 && args[0] == "memory-client":
		n, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return memoryClient(ctx, args[1], args[2], n, args[4])
	case len(args) == 2 && args[0] == "return-bare":
		return returnBare(ctx, args[1])
	case len(args) == 6 && args[0] == "return-phones":
		process, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return returnClients(ctx, args[1], args[2], process, args[4], args[5] == "true")
	case len(args) == 1 && args[0] == "province":
		return provinceChild(ctx)
	case len(args) == 1 && args[0] == "positions-hub":
		return positionsHub(ctx)
	case len(args) == 1 && args[0] == "positions-bare":
		return positionsBare(ctx)
	case len(args) == 4 && args[0] == "positions-client":
		return positionsClient(ctx, args[1], args[2], args[3])
	}
	return fmt.Errorf("no such child: %q", args)
}

// getJSON reads what a child serves.
func getJSON(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}
