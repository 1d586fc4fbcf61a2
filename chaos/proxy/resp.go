package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// Redis starts a proxy before a server that speaks RESP 2 or 3.
func Redis(listen, target string, seed uint64) (*Proxy, error) {
	return start(listen, target, seed, func(client, server net.Conn) (forth, back splitter, err error) {
		return &respSplitter{in: bufio.NewReader(client)}, &respSplitter{in: bufio.NewReader(server)}, nil
	})
}

// respSplitter reads whole RESP values, which is what commands and replies are.
type respSplitter struct{ in *bufio.Reader }

func (s *respSplitter) next() ([]byte, bool, error) {
	var out bytes.Buffer
	err := copyValue(s.in, &out)
	return out.Bytes(), false, err
}

// copyValue copies one value with everything in it.
func copyValue(in *bufio.Reader, out *bytes.Buffer) error {
	line, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	out.WriteString(line)
	if len(line) < 3 {
		return fmt.Errorf("resp: %q is no value", line)
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:])) // of kinds without a count it is not used
	parts := 0
	switch line[0] {
	case '$', '!', '=':
		if n >= 0 {
			_, err = io.CopyN(out, in, int64(n)+2)
		}
		return err
	case '*', '~', '>':
		parts = n
	case '%':
		parts = 2 * n
	case '|':
		parts = 2*n + 1
	}
	for range parts {
		if err := copyValue(in, out); err != nil {
			return err
		}
	}
	return nil
}
