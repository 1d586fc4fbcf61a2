package osm

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrNotOSM says that a file is not an OpenStreetMap extract in PBF form: it is
// empty, of another kind, or needs a feature that is not known here. ErrDamaged says
// that it is one, but cut short or changed. Test with errors.Is.
var (
	ErrNotOSM  = errors.New("not an .osm.pbf file")
	ErrDamaged = errors.New("damaged .osm.pbf file: fetch it again")
)

// Bounds that the format itself sets (OpenStreetMap wiki, "PBF Format").
const (
	maxBlobHeader = 64 << 10
	maxBlob       = 32 << 20
)

// tag is a key and its value.
type tag struct{ key, value string }

// tags are those of one object. They are valid during the call they are given to;
// the strings may be kept.
type tags []tag

func (t tags) get(key string) string {
	for i := range t {
		if t[i].key == key {
			return t[i].value
		}
	}
	return ""
}

// member is one of a relation's.
type member struct {
	kind memberKind
	ref  int64
	role string
}

type memberKind int

const (
	nodeMember memberKind = iota
	wayMember
)

// visitor is told every object of a file, in its order. What is nil is not decoded.
// Slices belong to the reader and change after the call.
type visitor struct {
	node     func(id int64, lat, lon float64, t tags)
	way      func(id int64, refs []int64, t tags) error
	relation func(id int64, members []member, t tags)
	progress func(bytes int64) // how much of the file has been read
}

// scan reads a whole file. The reader is of this package because it must end with an
// error, never a panic, on whatever an operator hands it, and inflate no block
// beyond the bounds of the format.
func scan(ctx context.Context, r io.Reader, v visitor) error {
	in := &blocks{r: bufio.NewReaderSize(r, 1<<16)}
	header, err := in.next()
	switch {
	case err == io.EOF:
		return fmt.Errorf("%w: it is empty", ErrNotOSM)
	case err != nil:
		return err
	case header.kind != "OSMHeader":
		return fmt.Errorf("%w: it begins with a block of kind %.20q", ErrNotOSM, header.kind)
	}
	if err := checkHeader(header.data); err != nil {
		return err
	}
	d := &decoder{visitor: v}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := in.offset
		b, err := in.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if b.kind == "OSMData" {
			if err := d.block(b.data); err != nil {
				return fmt.Errorf("block at byte %d: %w", at, err)
			}
		}
		if v.progress != nil {
			v.progress(in.offset)
		}
	}
}

// blocks reads the file's blocks one after the other.
type blocks struct {
	r       *bufio.Reader
	offset  int64
	packed  []byte
	inflate io.ReadCloser
	plain   bytes.Buffer
}

type block struct {
	kind string
	data []byte // valid until the next one
}

// next returns io.EOF where the file ends between two blocks.
func (in *blocks) next() (block, error) {
	var size [4]byte
	if n, err := io.ReadFull(in.r, size[:]); err == io.EOF {
		return block{}, io.EOF
	} else if err != nil {
		return block{}, in.broken(err, in.offset+int64(n))
	}
	length := binary.BigEndian.Uint32(size[:])
	if length == 0 || length > maxBlobHeader {
		return block{}, in.foreign(size[:])
	}
	head, err := in.read(4, int(length))
	if err != nil {
		return block{}, err
	}
	var kind string
	var blobSize uint64
	err = fields(head, func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case 1:
			kind = string(b)
		case 3:
			blobSize = v
		}
		return nil
	})
	if err != nil || kind == "" || blobSize > maxBlob {
		return block{}, in.foreign(size[:])
	}
	packed, err := in.read(4+int64(length), int(blobSize))
	if err != nil {
		return block{}, err
	}
	data, err := in.unpack(packed)
	if err != nil {
		return block{}, fmt.Errorf("block at byte %d: %w", in.offset, err)
	}
	in.offset += 4 + int64(length) + int64(blobSize)
	return block{kind, data}, nil
}

// read reads n bytes that lie so far behind the block's beginning. Memory grows
// with what is there, not with what is promised.
func (in *blocks) read(behind int64, n int) ([]byte, error) {
	buf := bytes.NewBuffer(in.packed[:0])
	got, err := io.CopyN(buf, in.r, int64(n))
	in.packed = buf.Bytes()
	if err != nil {
		return nil, in.broken(err, in.offset+behind+got)
	}
	return in.packed, nil
}

func (in *blocks) broken(err error, at int64) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w (it ends at byte %d in the middle of a block)", ErrDamaged, at)
	}
	return err
}

// foreign says what else the file may be; behind the first block it is damage.
func (in *blocks) foreign(start []byte) error {
	switch {
	case in.offset > 0:
		return fmt.Errorf("%w (no block begins at byte %d)", ErrDamaged, in.offset)
	case bytes.HasPrefix(start, []byte("<?xm")) || bytes.HasPrefix(start, []byte("<osm")):
		return fmt.Errorf("%w: it is OSM XML; convert it: osmium cat region.osm -o region.osm.pbf", ErrNotOSM)
	case start[0] == 0x1f && start[1] == 0x8b || bytes.HasPrefix(start, []byte("BZh")) || bytes.HasPrefix(start, []byte("PK")):
		return fmt.Errorf("%w: it is compressed; unpack or convert it: osmium cat region.osm.gz -o region.osm.pbf", ErrNotOSM)
	}
	return fmt.Errorf("%w: want an extract as from download.geofabrik.de or osmium", ErrNotOSM)
}

// unpack inflates a blob.
func (in *blocks) unpack(blob []byte) ([]byte, error) {
	var raw, packed []byte
	var size uint64
	var unknown protowire.Number
	err := fields(blob, func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case 1:
			raw = b
		case 2:
			size = v
		case 3:
			packed = b
		case 4, 5, 6, 7:
			unknown = num
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case raw != nil:
		return raw, nil
	case packed == nil && unknown != 0:
		return nil, fmt.Errorf("%w: it is compressed in another way than zlib; convert it: osmium cat region.osm.pbf -o other.osm.pbf", ErrNotOSM)
	case packed == nil || size > maxBlob:
		return nil, fmt.Errorf("%w (a block without data)", ErrDamaged)
	}
	if in.inflate == nil {
		in.inflate, err = zlib.NewReader(bytes.NewReader(packed))
	} else {
		err = in.inflate.(zlib.Resetter).Reset(bytes.NewReader(packed), nil)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	in.plain.Reset()
	n, err := in.plain.ReadFrom(io.LimitReader(in.inflate, int64(size)+1))
	if err != nil || n != int64(size) {
		return nil, fmt.Errorf("%w (%d bytes where %d are announced; %v)", ErrDamaged, n, size, err)
	}
	return in.plain.Bytes(), nil
}

// known are the features that a file may require.
var known = []string{"OsmSchema-V0.6", "DenseNodes"}

func checkHeader(data []byte) error {
	return fields(data, func(num protowire.Number, _ uint64, b []byte) error {
		if feature := string(b); num == 4 && !slices.Contains(known, feature) {
			return fmt.Errorf("%w: it requires %.40q; want a plain extract without history", ErrNotOSM, feature)
		}
		return nil
	})
}

// fields calls each for every field of a message: with the value of a number, or the
// bytes of anything else.
func fields(m []byte, each func(num protowire.Number, v uint64, b []byte) error) error {
	for len(m) > 0 {
		num, typ, n := protowire.ConsumeTag(m)
		if n < 0 {
			return errMalformed
		}
		m = m[n:]
		var v uint64
		var b []byte
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(m)
		case protowire.BytesType:
			b, n = protowire.ConsumeBytes(m)
		default:
			n = protowire.ConsumeFieldValue(num, typ, m)
		}
		if n < 0 {
			return errMalformed
		}
		m = m[n:]
		if err := each(num, v, b); err != nil {
			return err
		}
	}
	return nil
}

var errMalformed = fmt.Errorf("%w (a message that is none)", ErrDamaged)
