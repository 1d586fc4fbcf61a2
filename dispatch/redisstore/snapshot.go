package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"cuntong/dispatch"
	"cuntong/fault"
	"cuntong/geo"
)

// MaxSnapshot bounds the state of an area, in bytes. Twenty thousand open trips
// and a hundred thousand drivers need about half of it.
const MaxSnapshot = 64 << 20

// snapshotFormat is the version of the header.
//
//	cuntong-snapshot 1 <area> <sequence> <bytes> <CRC-32C, 8 hexadecimal digits>\n
//
// The state follows as it is.
const snapshotFormat = "1"

const (
	snapshotMagic = "cuntong-snapshot"
	// maxSnapshotHeader is the longest a header can be.
	maxSnapshotHeader = len(snapshotMagic) + 100
)

// castagnoli is the CRC-32C of RFC 3720, which processors compute by themselves.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Save keeps state and trims the journal up to the snapshot before it; see
// [dispatch.Ledger]. It is durable like an append. It returns dispatch.ErrBehind when the journal has not come to at, or a later snapshot is
// there. State may have up to [MaxSnapshot] bytes. Repeating it is harmless.
func (a *Area) Save(ctx context.Context, at dispatch.Seq, state []byte) error {
	if err := a.holds(); err != nil {
		return err
	}
	if len(state) > MaxSnapshot {
		return fmt.Errorf("snapshot of area %s has %d bytes: at most %d can be kept; the journal goes on without it", a.keys.area, len(state), MaxSnapshot)
	}
	c := a.call(callSave, decimal(at))
	c.script, c.keys = a.store.scripts.save, []string{a.keys.head(), a.keys.journal(), a.keys.snapshot()}
	c.args = []any{uint64(a.epoch), a.token, sealSnapshot(a.keys.area, at, state)}
	c.bulk, c.durable = true, true
	fault.Point("snapshot.before")
	reply, err := a.store.run(ctx, c)
	if err != nil {
		return err
	}
	verdict, seq, err := verdictAt(reply)
	if err != nil {
		return fmt.Errorf("snapshot of area %s: %w", a.keys.area, err)
	}
	if verdict != "done" {
		return a.refused("snapshot", verdict, seq, at)
	}
	fault.Point("snapshot.after")
	a.store.metrics.snapshotBytes.Observe(float64(len(state)))
	return nil
}

// sealSnapshot writes a header before state.
func sealSnapshot(area geo.AreaID, at dispatch.Seq, state []byte) []byte {
	sealed := make([]byte, 0, maxSnapshotHeader+len(state))
	sealed = fmt.Appendf(sealed, "%s %s %s %d %d %08x\n", snapshotMagic, snapshotFormat, area, at, len(state), crc32.Checksum(state, castagnoli))
	return append(sealed, state...)
}

// unsealSnapshot reads what sealSnapshot wrote. Any error is an dispatch.ErrDamaged.
func unsealSnapshot(area geo.AreaID, sealed []byte) (state []byte, at dispatch.Seq, err error) {
	header, state, ok := bytes.Cut(sealed, []byte("\n"))
	if !ok || len(header) > maxSnapshotHeader {
		return nil, 0, fmt.Errorf("%w: the snapshot has no header", dispatch.ErrDamaged)
	}
	fields := strings.Split(string(header), " ")
	if fields[0] != snapshotMagic || len(fields) < 2 {
		return nil, 0, fmt.Errorf("%w: the snapshot does not begin with %s", dispatch.ErrDamaged, snapshotMagic)
	}
	if fields[1] != snapshotFormat {
		return nil, 0, fmt.Errorf("%w: the snapshot's format is %.20q and this program reads %s: run a newer one", dispatch.ErrDamaged, fields[1], snapshotFormat)
	}
	if len(fields) != 6 || fields[2] != string(area) {
		return nil, 0, fmt.Errorf("%w: the snapshot's header is %q and the area is %s", dispatch.ErrDamaged, header, area)
	}
	seq, err := strconv.ParseUint(fields[3], 10, 53)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: the snapshot's sequence is %.20q", dispatch.ErrDamaged, fields[3])
	}
	if fields[4] != strconv.Itoa(len(state)) {
		return nil, 0, fmt.Errorf("%w: the snapshot should have %.20s bytes and has %d", dispatch.ErrDamaged, fields[4], len(state))
	}
	if sum := fmt.Sprintf("%08x", crc32.Checksum(state, castagnoli)); fields[5] != sum {
		return nil, 0, fmt.Errorf("%w: the snapshot's checksum is %.8s and should be %s", dispatch.ErrDamaged, sum, fields[5])
	}
	return state, dispatch.Seq(seq), nil
}
