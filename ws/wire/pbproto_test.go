package wire

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"

	"cuntong/ws/wire/pb"
)

// The committed code is what protoc makes of the committed .proto: what it says of
// itself is what protoc reads.
func TestPBGeneratedFitsProto(t *testing.T) {
	protoc, err := exec.LookPath("protoc")
	if err != nil {
		t.Skip("no protoc here: not compared with the .proto")
	}
	set := filepath.Join(t.TempDir(), "set")
	out, err := exec.Command(protoc, "-I../..", "--descriptor_set_out="+set, "../../ws/wire/pb/cuntong.proto").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	raw, err := os.ReadFile(set)
	if err != nil {
		t.Fatal(err)
	}
	var files descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(raw, &files); err != nil {
		t.Fatal(err)
	}
	generated := protodesc.ToFileDescriptorProto(pb.File_ws_wire_pb_cuntong_proto)
	ignored := protocmp.IgnoreFields(&descriptorpb.FileDescriptorProto{}, "name") // the path as protoc was given it
	if diff := cmp.Diff(files.File[0], generated, protocmp.Transform(), ignored); diff != "" {
		t.Errorf("the .proto (-), the generated code (+); run make proto:\n%s", diff)
	}
}

// protoForm is what a field of the table must be in the .proto.
var protoForm = map[pbKind]struct {
	suffix, other string // of the name in JSON, and what takes its place
	kind          protoreflect.Kind
	list          bool
}{
	pbString: {kind: protoreflect.StringKind}, pbInt: {kind: protoreflect.Int64Kind}, pbZigzag: {kind: protoreflect.Sint64Kind},
	pbBool: {kind: protoreflect.BoolKind}, pbE6: {"", "_e6", protoreflect.Sint32Kind, false}, pbTenths: {"m", "dm", protoreflect.Uint32Kind, false},
	pbWhole: {kind: protoreflect.Uint32Kind}, pbThousandths: {"s", "ms", protoreflect.Int64Kind, false}, pbDouble: {kind: protoreflect.DoubleKind},
	pbPoint: {"lat", "point_e6", protoreflect.Fixed64Kind, false}, pbWord: {kind: protoreflect.EnumKind}, pbImplied: {kind: protoreflect.StringKind},
	pbOffer: {kind: protoreflect.Uint64Kind}, pbRaw: {kind: protoreflect.BytesKind}, pbRaws: {kind: protoreflect.BytesKind, list: true},
	pbReceipt: {kind: protoreflect.BytesKind}, pbOffset: {"", "_offset", protoreflect.Sint64Kind, false},
	pbParts: {kind: protoreflect.BytesKind, list: true}, pbStrings: {kind: protoreflect.StringKind, list: true},
	pbMessage: {kind: protoreflect.MessageKind}, pbMessages: {kind: protoreflect.MessageKind, list: true}, pbCounts: {kind: protoreflect.MessageKind},
}

// protoName is the name of a field in the .proto.
func protoName(f *pbField) string {
	form := protoForm[f.kind]
	switch {
	case f.kind == pbThousandths && strings.HasSuffix(f.member, "_ms"):
		return strings.TrimSuffix(f.member, "_ms") + "_us"
	case f.kind == pbTenths:
		return strings.NewReplacer("_mps", "_dmps", "_m", "_dm").Replace(f.member)
	}
	return strings.TrimSuffix(f.member, form.suffix) + form.other
}

// The table of the codec and the .proto agree in every name, number and form.
func TestPBTableFitsProto(t *testing.T) {
	left := map[protoreflect.Name]bool{"ClientFrame": true, "ServerFrame": true}
	messages := pb.File_ws_wire_pb_cuntong_proto.Messages()
	for i := range messages.Len() {
		left[messages.Get(i).Name()] = true
	}
	for typ, shape := range pbShapes {
		name := protoreflect.Name(typ.Name())
		delete(left, name)
		m := messages.ByName(name)
		if m == nil {
			t.Errorf("the .proto has no message %s", name)
			continue
		}
		if name == "Track" { // its columns are no fields of the table
			continue
		}
		checkShape(t, shape, m.Fields())
	}
	checkFrame(t, pbClientTypes, messages.ByName("ClientFrame"))
	checkFrame(t, pbServerTypes, messages.ByName("ServerFrame"))
	delete(left, "ClientFrame")
	delete(left, "ServerFrame")
	for name := range left {
		t.Errorf("the .proto has a message %s that is nothing in the code", name)
	}
}

func checkShape(t *testing.T, shape *pbShape, fields protoreflect.FieldDescriptors) {
	t.Helper()
	count := len(shape.fields)
	for i := range shape.fields {
		f := &shape.fields[i]
		d := fields.ByNumber(f.number)
		if d == nil {
			t.Errorf("%s: the .proto has no field %d for %s", shape.typ.Name(), f.number, f.member)
			continue
		}
		form := protoForm[f.kind]
		if string(d.Name()) != protoName(f) || d.Kind() != form.kind || d.IsList() != form.list || d.IsMap() != (f.kind == pbCounts) {
			t.Errorf("%s.%s: the .proto has %s", shape.typ.Name(), f.member, d)
		}
		if d.Kind() == protoreflect.EnumKind {
			checkWords(t, f, d.Enum())
		}
		if f.always && !d.HasPresence() {
			t.Errorf("%s.%s says something when it is nought: make it optional in the .proto", shape.typ.Name(), f.member)
		}
		if f.shape != nil && string(d.Message().Name()) != f.shape.typ.Name() {
			t.Errorf("%s.%s: the .proto has a %s", shape.typ.Name(), f.member, d.Message().Name())
		}
		optional := shape.typ.Field(f.index).Type == reflect.TypeFor[Optional]()
		if optional && !d.HasOptionalKeyword() {
			t.Errorf("%s.%s may be nought: make it optional in the .proto", shape.typ.Name(), f.member)
		}
		if f.kind == pbOffset && !d.HasOptionalKeyword() {
			t.Errorf("%s.%s may be nought: make it optional in the .proto", shape.typ.Name(), f.member)
		}
		if f.kind == pbReceipt {
			count++
			if cut := fields.ByNumber(pbReceiptCut); cut == nil || cut.Name() != "receipt_cut" || cut.Kind() != protoreflect.Uint64Kind {
				t.Errorf("%s.%s: its cut in the .proto is %v", shape.typ.Name(), f.member, cut)
			}
		}
		if f.hasText() {
			count++
			text := fields.ByNumber(f.number + pbText)
			if text == nil || string(text.Name()) != f.member+"_text" || text.Kind() != protoreflect.StringKind || text.IsList() != (f.kind == pbRaws) {
				t.Errorf("%s.%s: its text in the .proto is %v", shape.typ.Name(), f.member, text)
			}
		}
	}
	if fields.Len() != count {
		t.Errorf("%s: the .proto has %d fields, the code %d", shape.typ.Name(), fields.Len(), count)
	}
}

// checkWords compares the words of a field with the enum: State 1 is STATE_REQUESTED.
func checkWords(t *testing.T, f *pbField, enum protoreflect.EnumDescriptor) {
	t.Helper()
	var prefix strings.Builder
	for i, c := range string(enum.Name()) {
		if i > 0 && c < 'a' {
			prefix.WriteByte('_')
		}
		prefix.WriteRune(c)
	}
	if enum.Values().Len() != len(f.words) {
		t.Errorf("%s has %d values, the code %d", enum.Name(), enum.Values().Len(), len(f.words))
	}
	for i, word := range f.words {
		if i == 0 {
			word = "unspecified"
		}
		want := strings.ToUpper(prefix.String() + "_" + word)
		if got := enum.Values().ByNumber(protoreflect.EnumNumber(i)); got == nil || string(got.Name()) != want {
			t.Errorf("%s %d is %v in the .proto, want %s", enum.Name(), i, got, want)
		}
	}
}

func checkFrame(t *testing.T, types []pbType, m protoreflect.MessageDescriptor) {
	t.Helper()
	for _, typ := range types {
		d := m.Fields().ByNumber(typ.number)
		want := strings.Trim(string(typ.name)+"_"+typ.datum, "_")
		if d == nil || string(d.Name()) != want || string(d.Message().Name()) != typ.shape.typ.Name() {
			t.Errorf("%s %d is %v in the .proto, want %s", m.Name(), typ.number, d, want)
		}
	}
	if m.Fields().Len() != len(types)+1 {
		t.Errorf("%s has %d fields in the .proto, %d in the code", m.Name(), m.Fields().Len(), len(types)+1)
	}
}

// The generated code, which is none of ours, reads every golden frame whole, and what it
// writes is read as the same.
func TestPBGeneratedReadsGoldens(t *testing.T) {
	for name, frame := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			fromClient := strings.HasPrefix(name, "client_")
			ours, _ := throughPB(t, fromClient, []byte(compacted(t, frame)))
			var m proto.Message = &pb.ServerFrame{}
			if fromClient {
				m = &pb.ClientFrame{}
			}
			if err := proto.Unmarshal(ours, m); err != nil {
				t.Fatal(err)
			}
			checkAllKnown(t, m.ProtoReflect())
			theirs, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			var want, got any
			if fromClient {
				want, _ = PB.DecodeClient(ours)
				got, err = PB.DecodeClient(theirs)
			} else {
				want, _ = PB.DecodeServer(ours)
				got, err = PB.DecodeServer(theirs)
			}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("as we write it (-), as they do (+): %v\n%s", err, diff)
			}
			if len(theirs) != len(ours) {
				t.Errorf("we take %d bytes, they %d", len(ours), len(theirs))
			}
		})
	}
}

// What JSON requires is there in the compact wire too, also when nothing of it is more than
// nought: an offer to a driver who stands at the pickup has an approach.
func TestPBWritesRequiredObjects(t *testing.T) {
	out, err := PB.AppendServer(nil, TypeOffer, "", Offer{Trip: "t1", Offer: "t1/1"})
	if err != nil {
		t.Fatal(err)
	}
	var m pb.ServerFrame
	if err := proto.Unmarshal(out, &m); err != nil {
		t.Fatal(err)
	}
	if o := m.GetOffer(); o.Approach == nil || o.Ride == nil {
		t.Errorf("the offer came as %v", o)
	}
}

func checkAllKnown(t *testing.T, m protoreflect.Message) {
	t.Helper()
	if len(m.GetUnknown()) > 0 {
		t.Errorf("%s does not know %x", m.Descriptor().Name(), m.GetUnknown())
	}
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case d.IsMap():
		case d.IsList() && d.Message() != nil:
			for i := range v.List().Len() {
				checkAllKnown(t, v.List().Get(i).Message())
			}
		case d.Message() != nil:
			checkAllKnown(t, v.Message())
		}
		return true
	})
}
