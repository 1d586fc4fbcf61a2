package redisstore

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fate is what a proxy does with one reply.
type fate struct {
	swallow bool   // it never comes
	hangUp  bool   // the connection ends instead
	instead []byte // another reply comes
}

// proxy stands between a client and a server and knows where one reply ends and
// the next begins, so that it can lose the reply of a command that was executed.
type proxy struct {
	t      *testing.T
	target target
	lines  net.Listener
	served sync.WaitGroup

	mu     sync.Mutex // guards the following fields
	decide func(command []string, reply []byte) fate
	dials  int
	conns  map[net.Conn]struct{}
}

// startProxy starts one before the server at t. It lets everything pass at first.
func startProxy(test *testing.T, t target) *proxy {
	test.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		test.Fatal(err)
	}
	p := &proxy{t: test, target: t, lines: l, conns: make(map[net.Conn]struct{})}
	p.served.Go(p.accept)
	test.Cleanup(p.close)
	return p
}

// through is the server's target by way of the proxy.
func (p *proxy) through() target {
	t := p.target
	t.network, t.addr = "tcp", p.lines.Addr().String()
	return t
}

// on sets what happens to replies; nil lets them pass.
func (p *proxy) on(decide func(command []string, reply []byte) fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = decide
}

func (p *proxy) dialled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}

func (p *proxy) close() {
	p.lines.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.served.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.lines.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(p.target.network, p.target.addr)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.dials++
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		commands := make(chan []string, 4096)
		p.served.Go(func() { p.forth(client, server, commands) })
		p.served.Go(func() { p.back(client, server, commands) })
	}
}

// forth passes commands on and notes them.
func (p *proxy) forth(client, server net.Conn, commands chan<- []string) {
	defer close(commands)
	defer server.Close()
	var raw bytes.Buffer
	in := bufio.NewReader(io.TeeReader(client, &raw))
	for {
		command, err := readCommand(in)
		if err != nil {
			return
		}
		commands <- command
		sent := raw.Len() - in.Buffered()
		if _, err := server.Write(raw.Next(sent)); err != nil {
			return
		}
	}
}

// back passes replies on, unless it is decided otherwise.
func (p *proxy) back(client, server net.Conn, commands <-chan []string) {
	defer client.Close()
	defer server.Close()
	in := bufio.NewReader(server)
	for {
		var reply bytes.Buffer
		if err := readReply(in, &reply); err != nil {
			return
		}
		command := <-commands
		f := p.judge(command, reply.Bytes())
		out := reply.Bytes()
		switch {
		case f.hangUp:
			return
		case f.swallow:
			continue
		case f.instead != nil:
			out = f.instead
		}
		if _, err := client.Write(out); err != nil {
			return
		}
	}
}

// judge decides about one reply at a time, whatever connection it is on.
func (p *proxy) judge(command []string, reply []byte) fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.decide == nil {
		return fate{}
	}
	return p.decide(command, reply)
}

// readCommand reads an array of bulk strings, as clients send them.
func readCommand(in *bufio.Reader) ([]string, error) {
	n, err := readCount(in, '*')
	if err != nil {
		return nil, err
	}
	command := make([]string, n)
	for i := range command {
		size, err := readCount(in, '$')
		if err != nil {
			return nil, err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(in, word); err != nil {
			return nil, err
		}
		command[i] = string(word[:size])
	}
	return command, nil
}

func readCount(in *bufio.Reader, kind byte) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, fmt.Errorf("want %c, have %q", kind, line)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

// readReply copies one whole RESP2 reply.
func readReply(in *bufio.Reader, out *bytes.Buffer) error {
	line, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	out.WriteString(line)
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	switch line[0] {
	case '$':
		if n >= 0 {
			_, err = io.CopyN(out, in, int64(n)+2)
		}
	case '*':
		for range max(n, 0) {
			if err := readReply(in, out); err != nil {
				return err
			}
		}
	}
	return err
}

// isScript says whether a command runs a script on a key of the given name.
func isScript(command []string, key string) bool {
	if !strings.HasPrefix(strings.ToLower(command[0]), "eval") {
		return false
	}
	for _, word := range command[3:] {
		if strings.HasSuffix(word, "}:"+key) {
			return true
		}
	}
	return false
}
