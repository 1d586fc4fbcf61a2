package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// echo answers every line "n" with ":n\r\n", as Redis would, and counts them.
func echo(t *testing.T) (addr string, served *atomic.Int64) {
	t.Helper()
	lines, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lines.Close() })
	served = new(atomic.Int64)
	go func() {
		for {
			conn, err := lines.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					for range 2 { // *1, $n
						if _, err := in.ReadString('\n'); err != nil {
							return
						}
					}
					word, err := in.ReadString('\n')
					if err != nil {
						return
					}
					served.Add(1)
					fmt.Fprintf(conn, ":%s\r\n", strings.TrimSpace(word))
				}
			}()
		}
	}()
	return lines.Addr().String(), served
}

// patience bounds how long a test that fails hangs. It is no expectation.
const patience = time.Minute

// asker is a client of echo.
type asker struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func newAsker(t *testing.T, addr string) *asker {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(patience))
	return &asker{t, conn, bufio.NewReader(conn)}
}

// say sends numbers in one go.
func (a *asker) say(numbers ...int) {
	for _, n := range numbers {
		fmt.Fprintf(a.conn, "*1\r\n$1\r\n%d\r\n", n)
	}
}

// hear returns the next replies, up to the end of the connection.
func (a *asker) hear(replies int) (text string, err error) {
	for range replies {
		line, err := a.in.ReadString('\n')
		if err != nil {
			return text, err
		}
		text += strings.TrimSpace(line)
	}
	return text, nil
}

func TestRepliesAreLostAfterTheCommandWasServed(t *testing.T) {
	for name, what := range map[string]Mischief{"cut": {Cut: 1}, "hush": {Hush: 1}} {
		t.Run(name, func(t *testing.T) {
			addr, served := echo(t)
			p, err := Redis("127.0.0.1:0", addr, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			a := newAsker(t, p.Addr())
			a.say(0, 1, 2)
			if got, err := a.hear(3); err != nil || got != ":0:1:2" {
				t.Fatalf("without mischief: %v, %v", got, err)
			}
			p.Set(Mischief{}, what)
			a.say(3)
			for end := time.Now().Add(patience); p.Done.Load() == 0 && time.Now().Before(end); {
				runtime.Gosched()
			}
			if served.Load() != 4 || p.Done.Load() == 0 {
				t.Fatal("the command was not served")
			}
			if name == "hush" {
				p.Set(Mischief{}, Mischief{}) // the connection stays as it is: the next reply is swallowed, too
				a.say(4)
				for end := time.Now().Add(patience); served.Load() < 5 && time.Now().Before(end); {
					runtime.Gosched()
				}
				p.Close() // now whatever was to come has come
			}
			if got, err := a.hear(1); got != "" || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("%v, %v", got, err)
			}
		})
	}
}

func TestRepliesChangePlaces(t *testing.T) {
	addr, _ := echo(t)
	p, err := Redis("127.0.0.1:0", addr, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.swapWait = patience
	p.Set(Mischief{}, Mischief{Swap: 1})
	a := newAsker(t, p.Addr())
	a.say(0, 1)
	if got, err := a.hear(2); err != nil || got != ":1:0" {
		t.Fatalf("%v, %v", got, err)
	}
}

// A value of every kind of RESP, nested, is one message.
func TestValuesAreCopiedWhole(t *testing.T) {
	text := "*3\r\n%1\r\n+k\r\n$5\r\na\r\nbc\r\n~2\r\n:1\r\n,1.5\r\n|1\r\n+a\r\n#t\r\n$-1\r\n"
	s := respSplitter{in: bufio.NewReader(strings.NewReader(text + "+next\r\n"))}
	for _, want := range []string{text, "+next\r\n"} {
		if got, _, err := s.next(); err != nil || string(got) != want {
			t.Fatalf("%q, %v: want %q", got, err, want)
		}
	}
}

func TestFrames(t *testing.T) {
	up := websocket.Upgrader{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			_, data, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(websocket.TextMessage, data) != nil {
				return
			}
		}
	}))
	defer server.Close()
	for name, c := range map[string]struct {
		forth Mischief
		want  string
	}{
		"whole": {Mischief{}, "hello a b c d"}, "doubled": {Mischief{Double: 1}, "hello a a b b c c d d"},
		"lost": {Mischief{Lose: 1}, "hello"}, "swapped": {Mischief{Swap: 1}, "hello b a d c"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := WebSocket("127.0.0.1:0", strings.TrimPrefix(server.URL, "http://"), 1)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			p.swapWait = patience
			conn, _, err := websocket.DefaultDialer.Dial("ws://"+p.Addr(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			p.Set(c.forth, Mischief{})
			for _, word := range []string{"hello", "a", "b", "c", "d"} {
				if err := conn.WriteMessage(websocket.TextMessage, []byte(word)); err != nil {
					t.Fatal(err)
				}
			}
			conn.SetReadDeadline(time.Now().Add(patience))
			var got []string
			for len(got) < len(strings.Fields(c.want)) {
				_, data, err := conn.ReadMessage()
				if err != nil {
					t.Fatalf("after %v: %v", got, err)
				}
				got = append(got, string(data))
			}
			if strings.Join(got, " ") != c.want {
				t.Fatalf("%v, want %s", got, c.want)
			}
		})
	}
}
