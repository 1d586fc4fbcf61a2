package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// The protocol as AsyncAPI 3.0 (https://www.asyncapi.com/docs/reference/specification/v3.0.0), for
// machines: written by these tests from what the code reads and writes, with the words of the manual.

const asyncFile = "../../docs/asyncapi.yaml"

// obj is an object whose members keep their order.
type obj []entry

type entry struct {
	key   string
	value any
}

func (o obj) with(key string, value any) obj { return append(o, entry{key, value}) }

// MarshalYAML implements [yaml.Marshaler].
func (o obj) MarshalYAML() (any, error) {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, m := range o {
		var key, value yaml.Node
		if err := cmp.Or(key.Encode(m.key), value.Encode(m.value)); err != nil {
			return nil, err
		}
		node.Content = append(node.Content, &key, &value)
	}
	return node, nil
}

func ref(path string) obj { return obj{{"$ref", "#/" + path}} }

// asyncWriter makes the document.
type asyncWriter struct {
	t       *testing.T
	fields  map[string][][]string // of the manual
	schemas obj
	done    map[string]bool // schemas that are there
}

// AsyncAPI is compared with the file, which -rewrite renews.
func TestAsyncAPI(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Written by go test ./ws/wire -run AsyncAPI -rewrite. Change the code or docs/PROTOCOL.md instead.\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(asyncDocument(t)); err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile(asyncFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(asyncFile)
	if err != nil {
		t.Fatal(err)
	}
	want, got := strings.Split(b.String(), "\n"), strings.Split(string(text), "\n")
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			t.Fatalf("%s is not what the code, the examples and the manual make from line %d on: run go test ./ws/wire -run AsyncAPI -rewrite", asyncFile, i+1)
		}
	}
}

// Many programs read YAML 1.1, in which a bare on is true and no name of a field.
func TestAsyncAPIQuotesWhatReadsAsTrue(t *testing.T) {
	text, err := os.ReadFile(asyncFile)
	if err != nil {
		t.Fatal(err)
	}
	if bare := regexp.MustCompile(`(?mi)^[ -]*(on|off|yes|no|y|n):`).FindAll(text, -1); len(bare) > 0 {
		t.Errorf("%s has %q", asyncFile, bare)
	}
}

func asyncDocument(t *testing.T) obj {
	w := &asyncWriter{t: t, fields: fields(t), done: map[string]bool{}}
	var client, server, messages, operations obj
	for _, c := range clientTypes {
		key := "client_" + string(c.name)
		messages = messages.with(key, w.message(key, c.name, w.clientFrame(c)))
		client = client.with(key, ref("components/messages/"+key))
		operations = operations.with("receive_"+string(c.name), operation("receive", key, c.command))
	}
	for _, s := range serverTypes {
		key := "server_" + string(s.name)
		messages = messages.with(key, w.message(key, s.name, w.serverFrame(s)))
		server = server.with(key, ref("components/messages/"+key))
		operations = operations.with("send_"+string(s.name), operation("send", key, false))
	}
	for _, way := range []struct{ key, action, frame string }{{"pb_client", "receive", "ClientFrame"}, {"pb_server", "send", "ServerFrame"}} {
		messages = messages.with(way.key, obj{{"name", way.key}, {"contentType", "application/x-protobuf"},
			{"summary", "A " + way.frame + " of ws/wire/pb/cuntong.proto in a binary frame, with the same meaning as the messages of " + Subprotocol + "."},
			{"payload", obj{{"type", "string"}, {"format", "binary"}}}})
		operations = operations.with(way.action+"_pb", obj{{"action", way.action}, {"channel", ref("channels/pb")}, {"messages", []any{ref("channels/pb/messages/" + way.key)}}})
	}
	return obj{
		{"asyncapi", "3.0.0"},
		{"info", obj{{"title", "Cuntong"}, {"version", Protocol},
			{"description", "The protocol between phones and the dispatch server. docs/PROTOCOL.md is the manual, and says what these schemas cannot: the order of things, and what a client keeps. From clients the server takes exactly what is here; what it sends may have more fields at any time."}}},
		{"defaultContentType", "application/json"},
		{"servers", obj{
			{"json", asyncServer(Subprotocol, "One JSON object a text frame.")},
			{"pb", asyncServer(PB.Subprotocol(), "The same in protobuf, one message a binary frame.")}}},
		{"channels", obj{
			{"json", obj{{"address", "/ws"}, {"servers", []any{ref("servers/json")}}, {"messages", slices.Concat(client, server)}}},
			{"pb", obj{{"address", "/ws"}, {"servers", []any{ref("servers/pb")}},
				{"messages", obj{{"pb_client", ref("components/messages/pb_client")}, {"pb_server", ref("components/messages/pb_server")}}}}}}},
		{"operations", operations},
		{"components", obj{{"messages", messages}, {"schemas", w.schemas}}},
	}
}

func asyncServer(subprotocol, say string) obj {
	return obj{{"host", "dispatch.example"}, {"protocol", "wss"}, {"title", subprotocol},
		{"description", say + " Ask for the subprotocol " + subprotocol + " in the upgrade."}}
}

func operation(action, key string, command bool) obj {
	o := obj{{"action", action}, {"channel", ref("channels/json")}, {"messages", []any{ref("channels/json/messages/" + key)}}}
	if command {
		o = o.with("reply", obj{{"channel", ref("channels/json")},
			{"messages", []any{ref("channels/json/messages/server_done"), ref("channels/json/messages/server_refused")}}})
	}
	return o
}

// message is a message with its golden files as examples.
func (w *asyncWriter) message(key string, name Type, payload obj) obj {
	w.schema(key+"_frame", payload)
	m := obj{{"name", string(name)}, {"summary", w.summary(key)}}
	var examples []any
	all := goldens(w.t)
	for _, file := range slices.Sorted(keysOf(all)) {
		rest := strings.TrimSuffix(strings.TrimPrefix(file, strings.TrimSuffix(key, string(name))), ".json")
		if strings.HasPrefix(file, key) && goldenType(w.t, all[file]) == string(name) {
			var frame any
			if err := yaml.Unmarshal([]byte(all[file]), &frame); err != nil {
				w.t.Fatal(err)
			}
			examples = append(examples, obj{{"name", rest}, {"payload", frame}})
		}
	}
	return m.with("payload", ref("components/schemas/"+key+"_frame")).with("examples", examples)
}

func keysOf(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

func goldenType(t *testing.T, frame string) string {
	var outer struct{ T string }
	if err := json.Unmarshal([]byte(frame), &outer); err != nil {
		t.Fatal(err)
	}
	return outer.T
}

// summary is the first paragraph of a message in the manual, as plain text.
func (w *asyncWriter) summary(key string) string {
	direction, name, _ := strings.Cut(key, "_")
	chapter := map[string]string{"client": "From client to server", "server": "From server to client"}[direction]
	_, text, _ := strings.Cut(manual(w.t), "\n## "+chapter+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	_, text, found := strings.Cut(text, "\n### "+name+"\n\n")
	if !found {
		w.t.Errorf("the manual has no section for %s", key)
	}
	text, _, _ = strings.Cut(text, "\n\n")
	return plain(text)
}

var link = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)

// plain is words of the manual without their marks.
func plain(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(link.ReplaceAllString(text, "$1")), " "), "`", "")
}

func (w *asyncWriter) schema(key string, s obj) obj {
	if !w.done[key] {
		w.done[key] = true
		w.schemas = w.schemas.with(key, s)
	}
	return ref("components/schemas/" + key)
}

func (w *asyncWriter) clientFrame(c clientType) obj {
	properties, required := obj{{"t", obj{{"const", string(c.name)}}}}, []string{"t", "b"}
	if c.command {
		properties, required = properties.with("id", ruleSchema(w, id{})), append(required, "id")
	}
	body := w.clientObject(string(c.name), c.shape)
	return objectOf(properties.with("b", body), required, false)
}

func objectOf(properties obj, required []string, more bool) obj {
	o := obj{{"type", "object"}}
	if len(required) > 0 {
		o = o.with("required", required)
	}
	if len(properties) > 0 {
		o = o.with("properties", properties)
	}
	return o.with("additionalProperties", more)
}

// clientObject is what the server takes: exactly these members.
func (w *asyncWriter) clientObject(name string, s *shape) obj {
	key := "client_" + name
	if w.done[key] {
		return ref("components/schemas/" + key)
	}
	w.done[key] = true
	var properties obj
	var required []string
	for _, m := range s.members {
		value := ruleSchema(w, vocabulary[m.name])
		if text := w.meaning("client", manualName(name), m.name); text != "" {
			value = described(value, text)
		}
		properties = properties.with(m.name, value)
		if m.required {
			required = append(required, m.name)
		}
	}
	w.schemas = w.schemas.with(key, slices.Concat(objectOf(properties, required, false), together(name)))
	return ref("components/schemas/" + key)
}

// together is what the members of an object have to do with one another, as far as a schema can say it.
func together(name string) (o obj) {
	switch name {
	case "place":
		o = o.with("oneOf", []any{
			obj{{"required", []string{"village"}}, {"not", obj{{"anyOf", requiring("lat", "lon", "datum", "name")}}}},
			obj{{"required", []string{"lat", "lon", "datum"}}, {"not", obj{{"anyOf", requiring("village", "stop")}}}}})
	case "stretch":
		o = o.with("dependencies", obj{{"lat", []string{"lon", "datum"}}, {"lon", []string{"lat", "datum"}},
			{"datum", []string{"lat", "lon"}}, {"radius_m", []string{"lat", "lon", "datum"}}})
	}
	switch name {
	case "place", "stretch", "position", "track_fix": // not 0,0
		nought := obj{{"const", 0}}
		o = o.with("not", obj{{"required", []string{"lat", "lon"}}, {"properties", obj{{"lat", nought}, {"lon", nought}}}})
	}
	return o
}

func requiring(names ...string) (list []any) {
	for _, name := range names {
		list = append(list, obj{{"required", []string{name}}})
	}
	return list
}

// manualName is what the manual calls an object of a client that has a name twice.
func manualName(name string) string {
	switch name {
	case "place", "traveller":
		return name + " (client)"
	}
	return strings.ReplaceAll(name, "_", " ")
}

// described puts words to a schema, beside a $ref only by way of allOf: older readers pass its siblings over.
func described(value obj, text string) obj {
	if value[0].key == "$ref" {
		return obj{{"allOf", []any{value}}, {"description", text}}
	}
	return slices.Clone(value).with("description", text)
}

// meaning is the last cell of a field's row in the manual.
func (w *asyncWriter) meaning(chapter, title, field string) string {
	for _, key := range []string{chapter + "/" + title, chapter + "/" + strings.ReplaceAll(title, " ", "_")} {
		for _, row := range w.fields[key] {
			if row[0] == field {
				return plain(row[len(row)-1])
			}
		}
	}
	return ""
}

// clientShapes are the objects within clients' messages, by what errors call them.
var clientShapes = map[string]string{"a place": "place", "a traveller": "traveller", "a trip and its version": "held",
	"a position": "track_fix", "a stretch of road": "stretch", "hours of the day": "hours"}

// notText are the characters that a text may not have: see notInText.
const notText = "\x00-\x1f\x7f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"

// blanks are the others that are white space.
const blanks = " \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"

func ruleSchema(w *asyncWriter, r rule) obj {
	word := func(most int, set string) obj {
		return obj{{"type", "string"}, {"pattern", "^[" + set + "]+$"}, {"minLength", 1}, {"maxLength", most}}
	}
	const ids = `A-Za-z0-9_.:@-`
	items := func(most int, of obj) obj {
		return obj{{"type", "array"}, {"minItems", 1}, {"maxItems", most}, {"items", of}}
	}
	switch r := r.(type) {
	case id:
		return word(MaxIDBytes, ids)
	case offerID:
		return word(MaxOfferIDBytes, "/"+ids)
	case bearer:
		return obj{{"type", "string"}, {"pattern", "^[!-~]*$"}, {"maxLength", MaxTokenBytes}}
	case receipts:
		return obj{{"type", "array"}, {"maxItems", MaxReceipts}, {"items", obj{{"type", "string"}, {"maxLength", MaxReceiptBytes}}}}
	case digits:
		return obj{{"type", "string"}, {"pattern", fmt.Sprintf("^[0-9]{%d}$", r.count)}}
	case said:
		return obj{{"type", "string"}, {"pattern", "^[^" + notText + "]*[^" + notText + blanks + "][^" + notText + "]*$"}, {"maxLength", r.maxRunes}}
	case text:
		return obj{{"type", "string"}, {"pattern", "^[^" + notText + "]*$"}, {"maxLength", r.maxRunes}}
	case choice:
		return obj{{"type", "string"}, {"enum", r.of}}
	case words:
		return items(len(r.of), obj{{"type", "string"}, {"enum", r.of}}).with("uniqueItems", true)
	case whole:
		return obj{{"type", "integer"}, {"minimum", r.low}, {"maximum", r.high}}
	case number:
		return obj{{"type", "number"}, {"minimum", r.low}, {"maximum", r.high}}
	case yesNo:
		return obj{{"type", "boolean"}}
	case object:
		return w.shapeRef(r.shape)
	case list[Held]:
		return items(r.most, w.shapeRef(r.shape))
	case list[TrackFix]:
		return items(r.most, w.shapeRef(r.shape))
	}
	w.t.Fatalf("no schema for a rule %T", r)
	return nil
}

func (w *asyncWriter) shapeRef(s *shape) obj {
	name, ok := clientShapes[s.name]
	if !ok {
		w.t.Fatalf("no schema for %s", s.name)
	}
	return w.clientObject(name, s)
}

func (w *asyncWriter) serverFrame(s serverType) obj {
	properties, required := obj{{"t", obj{{"const", string(s.name)}}}}, []string{"t", "b"}
	if s.name == TypeDone || s.name == TypeRefused {
		properties = properties.with("re", obj{{"type", "string"}, {"description", "the id of the command that is answered"}})
	}
	if s.name == TypeDone {
		required = append(required, "re")
	}
	return objectOf(properties.with("b", w.serverObject(s.body)), required, true)
}

// serverObject is what the server sends: these members at least.
func (w *asyncWriter) serverObject(body reflect.Type) obj {
	key := "server_" + serverName(body)
	if w.done[key] {
		return ref("components/schemas/" + key)
	}
	w.done[key] = true
	var properties obj
	var required []string
	for _, field := range reflect.VisibleFields(body) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		value := w.serverValue(field.Type)
		if text := w.serverMeaning(body, name); text != "" {
			value = described(value, text)
		}
		properties = properties.with(name, value)
		if options != "omitzero" {
			required = append(required, name)
		}
	}
	w.schemas = w.schemas.with(key, objectOf(properties, required, true))
	return ref("components/schemas/" + key)
}

// serverName is what a body is called: by its message, or in small letters by its type.
func serverName(body reflect.Type) string {
	for _, s := range serverTypes {
		if s.body == body {
			return string(s.name)
		}
	}
	if body == reflect.TypeFor[Road]() {
		return "road_change" // as an operator sent it; the message of that name is the state
	}
	return strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(body.Name(), "${1}_${2}"))
}

func (w *asyncWriter) serverMeaning(body reflect.Type, field string) string {
	name := serverName(body)
	if text := w.meaning("server", name, field); text != "" {
		return text
	}
	title := map[string]string{"place_out": "place (server)", "traveller": "traveller (server)"}[name]
	if title == "" {
		title = strings.ReplaceAll(name, "_", " ")
	}
	return w.meaning("object", title, field)
}

func (w *asyncWriter) serverValue(t reflect.Type) obj {
	switch {
	case t == reflect.TypeFor[Optional]():
		return obj{{"type", "number"}}
	case t.Kind() == reflect.Pointer:
		return w.serverValue(t.Elem())
	case t.Kind() == reflect.Struct:
		return w.serverObject(t)
	case t.Kind() == reflect.Slice:
		return obj{{"type", "array"}, {"items", w.serverValue(t.Elem())}}
	case t.Kind() == reflect.Map:
		return obj{{"type", "object"}, {"additionalProperties", w.serverValue(t.Elem())}}
	case t.Kind() == reflect.String:
		return obj{{"type", "string"}}
	case t.Kind() == reflect.Bool:
		return obj{{"type", "boolean"}}
	case t.Kind() == reflect.Float64:
		return obj{{"type", "number"}}
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return obj{{"type", "integer"}, {"maximum", int64(math.MaxInt64)}}
	}
	w.t.Fatalf("no schema for %s", t)
	return nil
}

// asyncSchemas are the schemas of the file, as a validator reads them: of each frame, by the
// message's key.
func asyncSchemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(asyncFile)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Schemas map[string]any `yaml:"schemas"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(map[string]any{"components": doc.Components})
	if err != nil {
		t.Fatal(err)
	}
	asJSON = bytes.Replace(asJSON, []byte(`"Schemas"`), []byte(`"schemas"`), 1)
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7) // what AsyncAPI's own schemas build on
	if err := compiler.AddResource("asyncapi.json", root); err != nil {
		t.Fatal(err)
	}
	all := map[string]*jsonschema.Schema{}
	for name := range doc.Components.Schemas {
		if key, ok := strings.CutSuffix(name, "_frame"); ok {
			if all[key], err = compiler.Compile("asyncapi.json#/components/schemas/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

func valid(s *jsonschema.Schema, frame string) error {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(frame))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// Every golden message is what the schema of its type says, and of no other type.
func TestAsyncAPIGoldens(t *testing.T) {
	schemas := asyncSchemas(t)
	if want := len(clientTypes) + len(serverTypes); len(schemas) != want {
		t.Errorf("%d schemas of frames, want %d", len(schemas), want)
	}
	for name, frame := range goldens(t) {
		direction, _, _ := strings.Cut(name, "_")
		key := direction + "_" + goldenType(t, frame)
		if schemas[key] == nil {
			t.Errorf("%s: no schema %s", name, key)
			continue
		}
		if err := valid(schemas[key], frame); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		other := schemas["client_ping"]
		if key != "client_ping" && valid(other, frame) == nil {
			t.Errorf("%s passes for a ping", name)
		}
	}
}

// beyondForm are the codes of faults that are not of a frame's form: of its bytes, or of
// what its members have to do with one another.
var beyondForm = map[string]bool{CodeTooBig: true, CodeBadUTF8: true, CodeBadJSON: true, CodeTooDeep: true, CodeDuplicateField: true}

// Whatever the decoder refuses by its form the schemas refuse, too, and what it takes they take.
func TestAsyncAPIRefusesWhatTheDecoderDoes(t *testing.T) {
	schemas := asyncSchemas(t)
	anyOf := func(frame string) bool {
		for key, s := range schemas {
			if strings.HasPrefix(key, "client_") && valid(s, frame) == nil {
				return true
			}
		}
		return false
	}
	refused := 0
	for _, test := range malformed {
		if beyondForm[test.code] || beyondSchema[test.name] {
			continue
		}
		refused++
		if anyOf(test.frame) {
			t.Errorf("%s: the decoder says %s, and a schema takes it", test.name, test.code)
		}
	}
	if refused < 100 {
		t.Errorf("only %d frames were judged", refused)
	}
	for name := range beyondSchema {
		if !slices.ContainsFunc(malformed, func(m struct{ name, frame, code, field string }) bool { return m.name == name }) {
			t.Errorf("no malformed frame is called %q", name)
		}
	}
	for _, test := range accepted {
		if !anyOf(test.frame) {
			t.Errorf("%s: the decoder takes it, and no schema does", test.name)
		}
	}
}

// beyondSchema are malformed frames that no schema can tell from good ones.
var beyondSchema = map[string]bool{
	// Ways of writing a number that are one number to JSON Schema.
	"time with an exponent": true, "goods with a fraction": true,
	// Which of two is larger, and whether two are the same.
	"window ends before it begins": true, "there before fetched": true, "over before it begins": true, "hours of no length": true,
	"there already": true, "there already, by points": true,
	// Bytes, where a schema counts characters.
	"a road's note of 201 bytes": true,
}
