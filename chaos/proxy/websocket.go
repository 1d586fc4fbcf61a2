package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
)

// WebSocket starts a proxy before a server of WebSockets. The handshake, control frames
// and the first message of either side (hello, welcome) are let pass.
func WebSocket(listen, target string, seed uint64) (*Proxy, error) {
	return start(listen, target, seed, func(client, server net.Conn) (forth, back splitter, err error) {
		return &frameSplitter{in: bufio.NewReader(client)}, &frameSplitter{in: bufio.NewReader(server)}, nil
	})
}

// frameSplitter reads the handshake as one message, and then whole frames.
type frameSplitter struct {
	in    *bufio.Reader
	shook bool // the handshake has passed
	first bool // so has the first message
}

func (s *frameSplitter) next() (data []byte, meek bool, err error) {
	if !s.shook {
		s.shook = true
		data, err = readHeader(s.in)
		return data, true, err
	}
	data, opcode, err := readFrame(s.in)
	message := opcode == opText || opcode == opBinary
	meek = !message || !s.first
	s.first = s.first || message
	return data, meek, err
}

// readHeader reads an HTTP message without a body.
func readHeader(in *bufio.Reader) ([]byte, error) {
	var out bytes.Buffer
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		out.WriteString(line)
		if strings.TrimSpace(line) == "" {
			return out.Bytes(), nil
		}
	}
}

// The opcodes of frames that carry messages (RFC 6455, 5.2).
const (
	opText   = 1
	opBinary = 2
)

// readFrame reads one frame as it is, mask and all.
func readFrame(in *bufio.Reader) (data []byte, opcode byte, err error) {
	head := make([]byte, 2, 14)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, 0, err
	}
	size, extra := uint64(head[1]&0x7f), 0
	switch size {
	case 126:
		extra = 2
	case 127:
		extra = 8
	}
	if head[1]&0x80 != 0 {
		extra += 4
	}
	head = head[:2+extra]
	if _, err := io.ReadFull(in, head[2:]); err != nil {
		return nil, 0, err
	}
	switch size {
	case 126:
		size = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		size = binary.BigEndian.Uint64(head[2:])
	}
	data = make([]byte, len(head)+int(size))
	copy(data, head)
	_, err = io.ReadFull(in, data[len(head):])
	return data, head[0] & 0x0f, err
}
