package wire

import (
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// Any message says the same in both ways of writing: what JSON's reader makes of it the
// compact wire's does, and it is what was written. Messages are drawn member by member from
// the table of the codec, and clients' from the rules of the judge; in the end every member of
// every object must have been in a message that came through.
func TestEveryFieldSurvivesBoth(t *testing.T) {
	came := map[string]bool{}
	for _, c := range clientTypes {
		t.Run("client "+string(c.name), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { sameFromClient(t, c, came) })
		})
	}
	for _, s := range serverTypes {
		t.Run("server "+string(s.name), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { sameFromServer(t, s, came) })
		})
	}
	for typ := range pbShapes {
		for i := range typ.NumField() {
			if name := typ.Name() + "." + memberName(typ.Field(i)); !came[name] {
				t.Errorf("%s was in no message that came through", name)
			}
		}
	}
}

// sameFromClient draws a message. A rule about several members may refuse it, and then does in both.
func sameFromClient(t *rapid.T, c clientType, came map[string]bool) {
	body := reflect.New(c.body).Elem()
	drawByRule(t, body, string(c.name))
	id := ""
	if c.command {
		id = drawID(t, "id")
	}
	want := ClientFrame{c.name, id, body.Interface()}
	inJSON, err := JSON.EncodeClient(c.name, id, want.Body)
	if err != nil {
		t.Fatal(err)
	}
	inPB, err := PB.EncodeClient(c.name, id, want.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(inPB) > MaxFrameBytes {
		return // a track that leaps about
	}
	r := readers.Get().(*reader)
	fromJSON, refused := r.read(inJSON) // of whatever length: sixty positions take less room in protobuf
	r.put()
	fromPB, bad := PB.DecodeClient(inPB)
	switch {
	case (refused == nil) != (bad == nil), refused != nil && blamed(bad).Field != refused.Field:
		t.Fatalf("%s\nJSON: %v\npb %x: %v", inJSON, refused, inPB, bad)
	case refused != nil:
		return
	}
	if diff := cmp.Diff(fromJSON, fromPB) + cmp.Diff(want, fromPB, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s\n%s", inJSON, diff)
	}
	noteMembers(body, came)
}

func sameFromServer(t *rapid.T, s serverType, came map[string]bool) {
	body := reflect.New(s.body).Elem()
	drawByKind(t, pbShapes[s.body], body)
	re := ""
	if s.name == TypeDone || s.name == TypeRefused {
		re = drawID(t, "re")
	}
	want := ServerFrame{s.name, re, body.Interface()}
	var got [2]ServerFrame
	for i, codec := range []Codec{JSON, PB} {
		frame, err := codec.AppendServer(nil, s.name, re, want.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got[i], err = codec.DecodeServer(frame); err != nil {
			t.Fatalf("%q: %v", frame, err)
		}
	}
	if diff := cmp.Diff(got[0], got[1], cmpopts.EquateEmpty()) + cmp.Diff(want, got[1], cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
	noteMembers(body, came)
}

// noteMembers notes which members a message has.
func noteMembers(v reflect.Value, came map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			noteMembers(v.Elem(), came)
		}
	case reflect.Slice:
		for i := range v.Len() {
			noteMembers(v.Index(i), came)
		}
	case reflect.Struct:
		if pbShapes[v.Type()] == nil {
			return // an Optional
		}
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				came[v.Type().Name()+"."+memberName(v.Type().Field(i))] = true
				noteMembers(v.Field(i), came)
			}
		}
	}
}

func drawID(t *rapid.T, label string) string {
	return rapid.StringMatching(`[A-Za-z0-9._:@-]{1,64}`).Draw(t, label)
}

// drawByRule fills the members of a client's object with what their rules allow, to the
// precision that the compact wire keeps.
func drawByRule(t *rapid.T, v reflect.Value, label string) {
	shape := pbShapes[v.Type()]
	form := rapid.Bool().Draw(t, label+" is a point")
	for i := range v.NumField() {
		name, tag := memberName(v.Type().Field(i)), v.Type().Field(i).Tag.Get("json")
		label := label + "." + name
		place := slices.Contains([]reflect.Type{reflect.TypeFor[Place](), reflect.TypeFor[Stretch]()}, v.Type())
		switch { // the two forms of a place
		case place && slices.Contains([]string{"lat", "lon", "datum", "name"}, name):
			if !form {
				continue
			}
		case place && slices.Contains([]string{"village", "stop", "kinds"}, name):
			if form {
				continue
			}
		case strings.HasSuffix(tag, ",omitzero") && rapid.Bool().Draw(t, label+" is absent"):
			continue
		}
		kind := pbKind(0)
		if shape != nil {
			if at := slices.IndexFunc(shape.fields, func(f pbField) bool { return f.member == name }); at >= 0 {
				kind = shape.fields[at].kind
			}
		}
		drawMember(t, vocabulary[name], kind, v.Field(i), label)
	}
}

// drawMember draws what a rule allows.
func drawMember(t *rapid.T, by rule, kind pbKind, into reflect.Value, label string) {
	switch by := by.(type) {
	case id:
		into.SetString(drawID(t, label))
	case offerID:
		into.SetString(rapid.StringMatching(`[A-Za-z0-9._:@-]{1,9}(/[0-9]{1,11})?`).Draw(t, label))
	case bearer:
		into.SetString(rapid.StringMatching(`[A-Za-z0-9_-]{1,30}(\.[A-Za-z0-9_=-]{1,30}){0,3}`).Draw(t, label))
	case receipts:
		n := rapid.IntRange(1, 4).Draw(t, label)
		for i := range n {
			text := rapid.StringMatching(`[A-Za-z0-9_-]{0,40}`).Draw(t, fmt.Sprint(label, i))
			into.Set(reflect.Append(into, reflect.ValueOf(text)))
		}
	case digits:
		into.SetString(rapid.StringMatching(`[0-9]{4}`).Draw(t, label))
	case text, said: // one that is blank is refused in both
		into.SetString(rapid.StringMatching(`[ -~一-龥]{1,32}`).Draw(t, label))
	case choice:
		into.SetString(rapid.SampledFrom(by.of).Draw(t, label))
	case words:
		n := rapid.IntRange(1, len(by.of)).Draw(t, label)
		into.Set(reflect.ValueOf(slices.Clone(by.of[:n])))
	case whole:
		into.SetInt(rapid.Int64Range(by.low, by.high).Draw(t, label))
	case number:
		setNumber(into, drawNumber(t, kind, by, label))
	case yesNo:
		into.SetBool(rapid.Bool().Draw(t, label))
	case object:
		drawByRule(t, into, label)
	default: // a list
		drawObjects(t, into, label)
	}
}

// drawNumber is a number in the unit in which the compact wire keeps it.
func drawNumber(t *rapid.T, kind pbKind, by number, label string) float64 {
	scale := map[pbKind]float64{pbE6: 1e6, pbPoint: 1e6, pbTenths: 10, pbWhole: 1, pbDouble: 8}[kind]
	switch {
	case scale != 0:
	case strings.HasSuffix(label, "lat"), strings.HasSuffix(label, "lon"): // of a column, or beside a point
		scale = 1e6
	case strings.HasSuffix(label, "heading_deg"):
		scale = 1
	default:
		scale = 10
	}
	n := rapid.Int64Range(int64(math.Ceil(by.low*scale)), int64(by.high*scale)).Draw(t, label)
	return float64(n) / scale
}

// drawObjects draws a list of objects, moments rising.
func drawObjects(t *rapid.T, into reflect.Value, label string) {
	at := int64(0)
	for i := range rapid.IntRange(1, 8).Draw(t, label) {
		item := reflect.New(into.Type().Elem()).Elem()
		drawByRule(t, item, fmt.Sprint(label, i))
		if fix, ok := item.Addr().Interface().(*TrackFix); ok {
			at += rapid.Int64Range(1, 1<<40).Draw(t, fmt.Sprint(label, i, " after"))
			fix.At = at
		}
		into.Set(reflect.Append(into, item))
	}
}

// drawByKind fills the members of an object of the server, which checks nothing.
func drawByKind(t *rapid.T, shape *pbShape, v reflect.Value) {
	for i := range shape.fields {
		f := &shape.fields[i]
		label := shape.typ.Name() + "." + f.member
		if rapid.IntRange(0, 2).Draw(t, label+" is there") > 0 || f.kind == pbImplied {
			drawKind(t, f, v.Field(f.index), v, label)
		}
	}
}

var (
	drawnWord = rapid.StringMatching(`[a-z0-9_]{1,12}`)
	drawnRaw  = rapid.SliceOfN(rapid.Byte(), 1, 30)
)

func drawKind(t *rapid.T, f *pbField, into, within reflect.Value, label string) {
	plain := rapid.IntRange(0, 3).Draw(t, label+" has the short form") > 0
	raw := func() string { return base64.RawURLEncoding.EncodeToString(drawnRaw.Draw(t, label)) }
	switch f.kind {
	case pbInt, pbZigzag, pbOffset:
		low, high := int64(math.MinInt64/4), int64(math.MaxInt64/4)
		into.SetInt(rapid.Int64Range(low, high).Draw(t, label))
	case pbBool:
		into.SetBool(rapid.Bool().Draw(t, label))
	case pbDouble:
		into.SetFloat(rapid.Float64().Draw(t, label))
	case pbE6, pbTenths, pbWhole, pbThousandths:
		low := int64(0)
		if f.kind == pbE6 {
			low = -180e6
		}
		setNumber(into, float64(rapid.Int64Range(low, 180e6).Draw(t, label))/pbScale[f.kind])
	case pbMessage:
		if into.Kind() == reflect.Pointer {
			into.Set(reflect.New(f.shape.typ))
		}
		drawByKind(t, f.shape, reflect.Indirect(into))
	case pbMessages:
		for range rapid.IntRange(0, 3).Draw(t, label) {
			item := reflect.New(f.shape.typ).Elem()
			drawByKind(t, f.shape, item)
			into.Set(reflect.Append(into, item))
		}
	case pbStrings:
		into.Set(reflect.ValueOf(rapid.SliceOfN(rapid.String(), 0, 4).Draw(t, label)))
	case pbCounts:
		into.Set(reflect.ValueOf(rapid.MapOfN(drawnWord, rapid.IntRange(0, 1000), 0, 4).Draw(t, label)))
	default:
		into.SetString(drawText(t, f, plain, raw, within, label))
	}
}

// drawText draws a text, in most cases one that has a shorter form.
func drawText(t *rapid.T, f *pbField, plain bool, raw func() string, within reflect.Value, label string) string {
	switch {
	case f.kind == pbString || !plain:
		return rapid.String().Draw(t, label)
	case f.kind == pbWord:
		return rapid.SampledFrom(f.words[1:]).Draw(t, label)
	case f.kind == pbImplied:
		return f.usual()
	case f.kind == pbOffer:
		return fmt.Sprintf("%s/%d", within.FieldByIndex(f.beside), rapid.Uint32().Draw(t, label))
	case f.kind == pbParts:
		return raw() + "." + raw()
	case f.kind == pbReceipt && rapid.Bool().Draw(t, label+" names the trip"):
		plain := string(drawnRaw.Draw(t, label)) + within.FieldByIndex(f.beside).String() + string(drawnRaw.Draw(t, label))
		return base64.RawURLEncoding.EncodeToString([]byte(plain))
	}
	return raw()
}
