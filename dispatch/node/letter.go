package node

import (
	"encoding/binary"
	"errors"
	"fmt"

	"cuntong/dispatch"
)

// letterKind is what a letter to the inbox of an area holds.
type letterKind byte

// The kinds. They never change meaning: servers of two versions may run side by side.
const (
	letterInput letterKind = 'i' // an input that somebody gave at the sending server
	letterMail  letterKind = 'm' // an input from another area
	letterFixes letterKind = 'f' // positions of drivers at the sending server
	letterGone  letterKind = 'g' // a party has no connection at the sending server any more
)

// letter is what a server puts into the inbox of an area that it does not write.
type letter struct {
	kind  letterKind
	from  dispatch.NodeID
	actor dispatch.Actor // of letterGone
	body  []byte         // of the others
}

// errLetter: bytes that are no letter, or one of a later program.
var errLetter = errors.New("a letter cannot be read")

func (l letter) bytes() []byte {
	b := make([]byte, 0, 1+binary.MaxVarintLen16+len(l.from)+len(l.body)+len(l.actor.ID)+16)
	b = append(b, byte(l.kind))
	b = putString(b, string(l.from))
	if l.kind == letterGone {
		b = putString(b, string(l.actor.Role))
		return putString(b, l.actor.ID)
	}
	return append(b, l.body...)
}

// readLetter reads a letter. Its body shares b.
func readLetter(b []byte) (letter, error) {
	if len(b) == 0 {
		return letter{}, fmt.Errorf("%w: it is empty", errLetter)
	}
	l := letter{kind: letterKind(b[0])}
	r := reading{left: b[1:]}
	l.from = dispatch.NodeID(r.text())
	switch l.kind {
	case letterInput, letterMail, letterFixes:
		l.body = r.left
	case letterGone:
		l.actor = dispatch.Actor{Role: dispatch.Role(r.text()), ID: r.text()}
	default:
		return letter{}, fmt.Errorf("%w: kind %q is not known", errLetter, l.kind)
	}
	if r.bad {
		return letter{}, fmt.Errorf("%w: it ends too soon", errLetter)
	}
	return l, nil
}

// putString appends a length and a text.
func putString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// reading takes bytes apart. After the first fault it is bad and returns nothing more.
type reading struct {
	left []byte
	bad  bool
}

func (r *reading) number() uint64 {
	n, size := binary.Uvarint(r.left)
	if size <= 0 {
		r.bad, r.left = true, nil
		return 0
	}
	r.left = r.left[size:]
	return n
}

func (r *reading) part() []byte {
	n := r.number()
	if n > uint64(len(r.left)) {
		r.bad, r.left = true, nil
		return nil
	}
	part := r.left[:n]
	r.left = r.left[n:]
	return part
}

func (r *reading) text() string { return string(r.part()) }
