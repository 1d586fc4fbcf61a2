package wire

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// members lists the json members of a struct and of the structs within it.
func members(t reflect.Type, into map[string]reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[Optional]() {
		return
	}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		into[name] = field.Type
		members(field.Type, into)
	}
}

func serverMembers() map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for _, s := range serverTypes {
		members(s.body, all)
	}
	return all
}

// Every member of a client's message has a rule, the rule can store into the
// field, and no rule is without a member.
func TestVocabulary(t *testing.T) {
	used := map[string]bool{}
	var visit func(s *shape, in reflect.Type)
	visit = func(s *shape, in reflect.Type) {
		if len(s.members) > 64 {
			t.Errorf("%v has more members than shape.read has bits", in)
		}
		for _, m := range s.members {
			used[m.name] = true
			field := in.Field(m.index).Type
			r := vocabulary[m.name]
			ok := false
			switch r := r.(type) {
			case id, offerID, bearer, text, said, choice, digits:
				ok = field == reflect.TypeFor[string]()
			case whole:
				ok = field == reflect.TypeFor[int]() || field == reflect.TypeFor[int64]()
			case number:
				ok = field == reflect.TypeFor[float64]() || field == reflect.TypeFor[Optional]()
			case words, receipts:
				ok = field == reflect.TypeFor[[]string]()
			case yesNo:
				ok = field == reflect.TypeFor[bool]()
			case list[Held]:
				ok = field == reflect.TypeFor[[]Held]()
				visit(r.shape, field.Elem())
			case list[TrackFix]:
				ok = field == reflect.TypeFor[[]TrackFix]()
				visit(r.shape, field.Elem())
			case object:
				ok = field.Kind() == reflect.Struct
				visit(r.shape, field)
			}
			if !ok {
				t.Errorf("%v: member %q is a %v and its rule a %T", in, m.name, field, r)
			}
		}
	}
	for _, c := range clientTypes {
		visit(c.shape, c.body)
	}
	for name := range vocabulary {
		if !used[name] {
			t.Errorf("no message has the member %q", name)
		}
	}
}

// Tags say what the shapes are built from: a name of a-z, 0-9 and _, and
// omitzero or nothing. DecodePosition relies on the names.
func TestTags(t *testing.T) {
	check := func(body reflect.Type) {
		for _, field := range reflect.VisibleFields(body) {
			name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || options != "" && options != "omitzero" {
				t.Errorf("%v.%s has the tag %q", body, field.Name, field.Tag)
			}
		}
	}
	for _, c := range clientTypes {
		check(c.body)
	}
	for _, s := range serverTypes {
		check(s.body)
	}
	for _, body := range []any{Place{}, Traveller{}, PlaceOut{}, Fix{}, Leg{}, Vehicle{}, Stop{}, Party{}, TripDriver{}, QueuePlace{}, Ended{}, BoardDriver{}, Barred{}, Latency{}, Stretch{}, Hours{}, Extent{}, Way{}, Held{}, TrackFix{}, NearbyCell{}} {
		check(reflect.TypeOf(body))
	}
}

func TestTypes(t *testing.T) {
	if !slices.IsSorted(sortedCloseCodes()) {
		t.Error("the close codes are not in rising order")
	}
	for _, typ := range ClientTypes() {
		if len(findClientType(string(typ)).roles) == 0 {
			t.Errorf("nobody may send %s", typ)
		}
		for _, role := range []string{"", "system", "Driver"} {
			if typ.MayBeSentBy(role) {
				t.Errorf("%s may be sent by role %q", typ, role)
			}
		}
	}
	if Type("welcome").MayBeSentBy(RoleOperator) || Type("welcome").IsCommand() || Type("hello").IsLossy() {
		t.Error("a type is taken for one of the other direction")
	}
}

func sortedCloseCodes() []int {
	var list []int
	for _, info := range CloseCodes() {
		list = append(list, int(info.Code))
	}
	return list
}

func TestComeBack(t *testing.T) {
	for code, want := range map[CloseCode]bool{
		CloseDrain: true, CloseSlow: true, CloseGoingAway: true, CloseTooBig: false, CloseBadToken: false, CloseReplaced: false,
		1006: true, 1011: true, 4099: true, 4599: false, 5000: true,
	} {
		if got := code.ComeBack(); got != want {
			t.Errorf("%d: come back %v, want %v", code, got, want)
		}
	}
	for _, info := range CloseCodes() {
		if info.Code >= 4000 && info.ComeBack != (info.Code < 4500) {
			t.Errorf("%d lies in the wrong range", info.Code)
		}
		if info.Reason == "" || len(info.Reason) > 123 || info.Code.Reason() != info.Reason {
			t.Errorf("%d has the reason %q; a close frame holds 1 to 123 bytes", info.Code, info.Reason)
		}
		if info.Wait > 0 && !info.ComeBack {
			t.Errorf("%d says how long to wait and not to come back", info.Code)
		}
	}
	if CloseCode(4999).Reason() != "" {
		t.Error("a code outside the table has a reason")
	}
}
