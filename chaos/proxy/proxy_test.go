package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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

// ask sends numbers in one go and returns the replies that come within a moment.
func ask(t *testing.T, addr string, numbers int) (replies []string, err error) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range numbers {
		fmt.Fprintf(conn, "*1\r\n$1\r\n%d\r\n", i)
	}
	conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	in := bufio.NewReader(conn)
	for len(replies) < numbers {
		var line string
		if line, err = in.ReadString('\n'); err != nil {
			return replies, err
		}
		replies = append(replies, strings.TrimSpace(line))
	}
	return replies, nil
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
			if replies, err := ask(t, p.Addr(), 3); err != nil || strings.Join(replies, "") != ":0:1:2" {
				t.Fatalf("without mischief: %v, %v", replies, err)
			}
			p.Set(Mischief{}, what)
			before := served.Load()
			replies, err := ask(t, p.Addr(), 1)
			if len(replies) > 0 || (err == io.EOF) != (name == "cut") {
				t.Fatalf("%v, %v", replies, err)
			}
			if served.Load() != before+1 || p.Done.Load() == 0 {
				t.Fatal("the command was not served")
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
	p.Set(Mischief{}, Mischief{Swap: 1})
	if replies, err := ask(t, p.Addr(), 2); err != nil || strings.Join(replies, "") != ":1:0" {
		t.Fatalf("%v, %v", replies, err)
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
			conn.SetReadDeadline(time.Now().Add(time.Second))
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
