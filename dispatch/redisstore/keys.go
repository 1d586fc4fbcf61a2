package redisstore

import (
	"strings"

	"cuntong/dispatch"
	"cuntong/geo"
)

// keys are the Redis keys of one area. The braces are a hash tag: in a cluster
// all keys of an area live on one node, so that one script may touch them.
type keys struct {
	area geo.AreaID
}

func (k keys) lease() string    { return k.tagged("lease") }
func (k keys) head() string     { return k.tagged("head") }
func (k keys) journal() string  { return k.tagged("journal") }
func (k keys) snapshot() string { return k.tagged("snapshot") }
func (k keys) archive() string  { return k.tagged("archive") }

// inbox is the stream of letters to whoever writes the area, inboxLast the id of
// the last of them.
func (k keys) inbox() string     { return k.tagged("inbox") }
func (k keys) inboxLast() string { return k.tagged("inbox:last") }

// nodesKey is the hash of the servers on this Redis.
const nodesKey = "cuntong:nodes"

// onceKey is the mark that something was used.
func onceKey(name string) string { return "cuntong:used:" + name }

// postKey is the stream of letters to one server.
func postKey(id dispatch.NodeID) string { return "post:{" + string(id) + "}" }

// cell is the hash of the positions in one H3 cell.
func (k keys) cell(c geo.Cell) string { return k.cellPrefix() + c.String() }

// cells matches every key that cell makes, and no other area's. An area id has
// no character that a pattern could take for its own.
func (k keys) cells() string { return k.cellPrefix() + "*" }

// cellOf is the inverse of cell.
func (k keys) cellOf(key string) (geo.Cell, error) {
	return geo.ParseCell(strings.TrimPrefix(key, k.cellPrefix()))
}

func (k keys) cellPrefix() string { return k.tagged("h3:") }

func (k keys) tagged(name string) string { return "{" + string(k.area) + "}:" + name }
