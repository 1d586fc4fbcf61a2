package osm

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// decoder tells a visitor what is in data blocks. See osmformat.proto of
// OSM-binary for the numbers.
type decoder struct {
	visitor

	// Of the block at hand.
	strings           []string
	granularity       int64
	latOffset, lonOff int64

	// Reused from object to object.
	tags    tags
	refs    []int64
	members []member
}

func (d *decoder) block(data []byte) error {
	d.strings, d.granularity, d.latOffset, d.lonOff = d.strings[:0], 100, 0, 0
	err := fields(data, func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case 1:
			return fields(b, func(num protowire.Number, _ uint64, s []byte) error {
				if num == 1 {
					d.strings = append(d.strings, string(s))
				}
				return nil
			})
		case 17:
			d.granularity = int64(int32(v))
		case 19:
			d.latOffset = int64(v)
		case 20:
			d.lonOff = int64(v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return fields(data, func(num protowire.Number, _ uint64, b []byte) error {
		if num != 2 {
			return nil
		}
		return fields(b, d.group)
	})
}

// group is one object, or a block of dense nodes.
func (d *decoder) group(num protowire.Number, _ uint64, b []byte) error {
	switch {
	case num == 1 && d.node != nil:
		return d.plainNode(b)
	case num == 2 && d.node != nil:
		return d.denseNodes(b)
	case num == 3 && d.way != nil:
		return d.aWay(b)
	case num == 4 && d.relation != nil:
		return d.aRelation(b)
	}
	return nil
}

func (d *decoder) plainNode(m []byte) error {
	var id, lat, lon int64
	var keys, vals []byte
	err := fields(m, func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case 1:
			id = protowire.DecodeZigZag(v)
		case 2:
			keys = b
		case 3:
			vals = b
		case 8:
			lat = protowire.DecodeZigZag(v)
		case 9:
			lon = protowire.DecodeZigZag(v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := d.readTags(keys, vals); err != nil {
		return err
	}
	d.tellNode(id, lat, lon)
	return nil
}

func (d *decoder) tellNode(id, lat, lon int64) {
	d.node(id, float64(d.latOffset+d.granularity*lat)/1e9, float64(d.lonOff+d.granularity*lon)/1e9, d.tags)
}

// denseNodes are columns of ids, latitudes and longitudes, each the difference to
// the one before, and the tags of all in one row.
func (d *decoder) denseNodes(m []byte) error {
	var ids, lats, lons, keyVals []byte
	err := fields(m, func(num protowire.Number, _ uint64, b []byte) error {
		switch num {
		case 1:
			ids = b
		case 8:
			lats = b
		case 9:
			lons = b
		case 10:
			keyVals = b
		}
		return nil
	})
	if err != nil {
		return err
	}
	var id, lat, lon int64
	for len(ids) > 0 {
		for _, column := range []struct {
			left *[]byte
			sum  *int64
		}{{&ids, &id}, {&lats, &lat}, {&lons, &lon}} {
			v, err := take(column.left)
			if err != nil {
				return err
			}
			*column.sum += protowire.DecodeZigZag(v)
		}
		d.tags = d.tags[:0]
		for len(keyVals) > 0 {
			key, err := take(&keyVals)
			if err != nil {
				return err
			}
			if key == 0 {
				break
			}
			value, err := take(&keyVals)
			if err != nil {
				return err
			}
			if err := d.tagged(key, value); err != nil {
				return err
			}
		}
		d.tellNode(id, lat, lon)
	}
	return nil
}

func (d *decoder) aWay(m []byte) error {
	var id int64
	var keys, vals, refs []byte
	err := fields(m, func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case 1:
			id = int64(v)
		case 2:
			keys = b
		case 3:
			vals = b
		case 8:
			refs = b
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := d.readTags(keys, vals); err != nil {
		return err
	}
	d.refs = d.refs[:0]
	var ref int64
	for len(refs) > 0 {
		v, err := take(&refs)
		if err != nil {
			return err
		}
		ref += protowire.DecodeZigZag(v)
		d.refs = append(d.refs, ref)
	}
	return d.way(id, d.refs, d.tags)
}

func (d *decoder) aRelation(m []byte) error {
	var id int64
	var keys, vals, roles, refs, kinds []byte
	err := fields(m, func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case 1:
			id = int64(v)
		case 2:
			keys = b
		case 3:
			vals = b
		case 8:
			roles = b
		case 9:
			refs = b
		case 10:
			kinds = b
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := d.readTags(keys, vals); err != nil {
		return err
	}
	d.members = d.members[:0]
	var ref int64
	for len(refs) > 0 {
		var got [3]uint64
		for i, column := range []*[]byte{&roles, &refs, &kinds} {
			if got[i], err = take(column); err != nil {
				return err
			}
		}
		ref += protowire.DecodeZigZag(got[1])
		role, err := d.str(got[0])
		if err != nil {
			return err
		}
		d.members = append(d.members, member{kind: memberKind(got[2]), ref: ref, role: role})
	}
	d.relation(id, d.members, d.tags)
	return nil
}

func (d *decoder) readTags(keys, vals []byte) error {
	d.tags = d.tags[:0]
	for len(keys) > 0 {
		key, err := take(&keys)
		if err != nil {
			return err
		}
		value, err := take(&vals)
		if err != nil {
			return err
		}
		if err := d.tagged(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) tagged(key, value uint64) error {
	k, err := d.str(key)
	if err != nil {
		return err
	}
	v, err := d.str(value)
	d.tags = append(d.tags, tag{k, v})
	return err
}

func (d *decoder) str(i uint64) (string, error) {
	if i >= uint64(len(d.strings)) {
		return "", errMalformed
	}
	return d.strings[i], nil
}

// take takes a number off the front of a packed row.
func take(row *[]byte) (uint64, error) {
	v, n := protowire.ConsumeVarint(*row)
	if n < 0 {
		return 0, errMalformed
	}
	*row = (*row)[n:]
	return v, nil
}
