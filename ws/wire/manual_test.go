package wire

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "renew the examples and tables of docs/PROTOCOL.md")

const manualFile = "../../docs/PROTOCOL.md"

func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(manualFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block is an example or a table in the manual, below its marker.
var block = regexp.MustCompile("<!-- (golden|table): ([a-z_. ]+) -->\n" + "(?:```json\n((?s:.*?))```\n|\n((?:\\|.*\n)+))")

// The manual shows every golden file and every table of the code once, and as it
// is. With -rewrite it is renewed.
func TestManualBlocks(t *testing.T) {
	text := manual(t)
	want := map[string]string{}
	for name, frame := range goldens(t) {
		want["golden "+name] = "```json\n" + frame + "```\n"
	}
	for name, rows := range tables() {
		want["table "+name] = "\n" + rows
	}
	left := maps.Clone(want)
	renewed := block.ReplaceAllStringFunc(text, func(found string) string {
		part := block.FindStringSubmatch(found)
		key := part[1] + " " + part[2]
		if _, ok := left[key]; !ok {
			t.Errorf("%s: %s does not exist, or was shown before", manualFile, key)
			return found
		}
		delete(left, key)
		marker, _, _ := strings.Cut(found, "\n")
		return marker + "\n" + want[key]
	})
	for key := range left {
		t.Errorf("%s does not show %s", manualFile, key)
	}
	if markers := strings.Count(text, "<!-- golden: ") + strings.Count(text, "<!-- table: "); markers != len(want)-len(left) {
		t.Errorf("%s has %d markers, of which %d are followed by their block", manualFile, markers, len(want)-len(left))
	}
	if *rewrite && !t.Failed() {
		if err := os.WriteFile(manualFile, []byte(renewed), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(renewed, text); diff != "" {
		t.Errorf("code (-), manual (+); run go test ./ws/wire -run Manual -rewrite\n%s", diff)
	}
}

// tables returns the tables that the manual takes from the code.
func tables() map[string]string {
	return map[string]string{
		"limits":       limitsTable(),
		"client types": clientTypesTable(),
		"server types": serverTypesTable(),
		"codes":        codesTable(),
		"close codes":  closeCodesTable(),
	}
}

// table writes rows, of which the first is the head, in Markdown.
func table(rows ...[]string) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	return b.String()
}

func limitsTable() string {
	n := func(format string, values ...any) string { return fmt.Sprintf(format, values...) }
	return table(
		[]string{"what", "limit", "beyond it"},
		[]string{"`hello` after connecting", n("%.0f s", HelloWait.Seconds()), closing(CloseNoHello)},
		[]string{"a frame to the server", n("%d bytes", MaxFrameBytes), closing(CloseTooBig)},
		[]string{"objects within objects, the frame being 1", n("%d", MaxDepth), "`too_deep`"},
		[]string{"frames to the server, pings and pongs included", n("%d a second in the long run, %d at once", FramesPerSecond, FrameBurst), "not read, `rate`; if it goes on, " + closing(CloseFlood)},
		[]string{"`route` questions", n("one every %.0f s in the long run, %d at once", QuestionEvery.Seconds(), QuestionBurst), "`rate`"},
		[]string{"`nearby` questions of a party", n("one every %.0f s in the long run, %d at once", NearbyEvery.Seconds(), NearbyBurst), "`rate`"},
		[]string{"without any frame from you", n("%.0f s; a driver on duty %.0f s", SilentAfter.Seconds(), DutySilent.Seconds()), closing(CloseSilent)},
		[]string{"an id that you choose", n("%d characters", MaxIDBytes), "`bad_id`"},
		[]string{"a token in `hello`", n("%d characters", MaxTokenBytes), "`too_long`"},
		[]string{"a name of a person, a place or a program", n("%d characters", MaxNameRunes), "`too_long`"},
		[]string{"a note", n("%d characters", MaxNoteRunes), "`too_long`"},
		[]string{"a note on a road", n("%d bytes of UTF-8", MaxRoadNoteBytes), "`too_long`"},
		[]string{"a telephone number", n("%d characters", MaxPhoneRunes), "`too_long`"},
		[]string{"receipts in `hello`", n("%d, each %d characters", MaxReceipts, MaxReceiptBytes), "`too_long`"},
		[]string{"trips in `known`", n("%d", MaxKnown), "`too_long`"},
		[]string{"positions in a `track`", n("%d", MaxTrackFixes), "`too_long`"},
		[]string{"cash in `paid`", n("%d fen", MaxFen), "`out_of_range`"},
		[]string{"trips with receipts and orders that a connection remembers", n("%d", MaxKnown), "the oldest come whole again"},
		[]string{"a frame from the server", n("%d bytes; have room for it", MaxServerFrameBytes), "never sent"},
		[]string{"trips in a `truth`", n("%d", MaxTruthTrips), "the newest are told"},
	)
}

func closing(c CloseCode) string { return fmt.Sprintf("closed with %d", c) }

func clientTypesTable() string {
	rows := [][]string{append([]string{"type", "command"}, everybody...)}
	mark := map[bool]string{true: "●", false: ""}
	for _, typ := range ClientTypes() {
		row := []string{fmt.Sprintf("[`%s`](#%s)", typ, typ), mark[typ.IsCommand()]}
		for _, role := range everybody {
			row = append(row, mark[typ.MayBeSentBy(role)])
		}
		rows = append(rows, row)
	}
	return table(rows...)
}

func serverTypesTable() string {
	lane := map[bool]string{true: "newest-wins", false: "must-arrive"}
	rows := [][]string{{"type", "lane"}}
	for _, typ := range ServerTypes() {
		anchor := string(typ)
		if slices.Contains(ClientTypes(), typ) {
			anchor += "-1" // the second heading of that name
		}
		rows = append(rows, []string{fmt.Sprintf("[`%s`](#%s)", typ, anchor), lane[typ.IsLossy()]})
	}
	return table(rows...)
}

func codesTable() string {
	rows := [][]string{{"code", "kind", "means"}}
	for _, info := range Codes() {
		rows = append(rows, []string{"`" + info.Code + "`", "`" + info.Kind + "`", info.Means})
	}
	return table(rows...)
}

func closeCodesTable() string {
	rows := [][]string{{"code", "reason", "come back?", "least wait", "what to do"}}
	for _, info := range CloseCodes() {
		back, wait := "no", ""
		if info.ComeBack {
			back, wait = "**yes**", fmt.Sprintf("%.0f s", info.Wait.Seconds())
		}
		rows = append(rows, []string{fmt.Sprint(int(info.Code)), info.Reason, back, wait, info.Do})
	}
	return table(rows...)
}

// section is a part of the manual below a heading.
var section = regexp.MustCompile(`(?m)^(#{2,4}) (.+)\n((?:[^#\n].*\n|\n)*)`)

// fields returns the rows of the tables of fields, by chapter and heading:
// "server/trip" is the server's trip.
func fields(t *testing.T) map[string][][]string {
	all := map[string][][]string{}
	chapter := ""
	for _, part := range section.FindAllStringSubmatch(manual(t), -1) {
		level, title, body := part[1], part[2], part[3]
		if level == "##" {
			chapter = map[string]string{"From client to server": "client", "From server to client": "server", "Objects within them": "object"}[title]
			continue
		}
		if chapter == "" {
			continue
		}
		key := chapter + "/" + title
		all[key] = [][]string{}
		for line := range strings.Lines(body) {
			cells := strings.Split(strings.Trim(line, "|\n"), "|")
			if !strings.HasPrefix(line, "| `") {
				continue
			}
			for i := range cells {
				cells[i] = strings.Trim(cells[i], " `")
			}
			all[key] = append(all[key], cells)
		}
	}
	return all
}

// wanted returns what the rows of a table of fields must begin with.
func wanted(body reflect.Type, rules bool) [][]string {
	rows := [][]string{}
	for _, field := range reflect.VisibleFields(body) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		row := []string{name, "required"}
		if options == "omitzero" {
			row[1] = "optional"
		}
		if rules {
			row = append(row, vocabulary[name].want())
		}
		rows = append(rows, row)
	}
	return rows
}

// Every message and every object has its table of fields in the manual, with the
// fields of the code, in order, and for clients their values.
func TestManualFields(t *testing.T) {
	shown := fields(t)
	check := func(key string, body reflect.Type, rules bool) {
		t.Helper()
		rows, ok := shown[key]
		if !ok {
			t.Errorf("the manual has no section %s", key)
			return
		}
		delete(shown, key)
		want := wanted(body, rules)
		for i, row := range rows {
			rows[i] = row[:min(len(row), len(want[0]))]
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("%s: code (-), manual (+):\n%s", key, diff)
		}
	}
	for _, c := range clientTypes {
		check("client/"+string(c.name), c.body, true)
	}
	check("client/place (client)", reflect.TypeFor[Place](), true)
	check("client/traveller (client)", reflect.TypeFor[Traveller](), true)
	check("client/held", reflect.TypeFor[Held](), true)
	check("client/track fix", reflect.TypeFor[TrackFix](), true)
	check("client/stretch", reflect.TypeFor[Stretch](), true)
	check("client/hours", reflect.TypeFor[Hours](), true)
	for _, s := range serverTypes {
		check("server/"+string(s.name), s.body, false)
	}
	for title, body := range map[string]any{
		"place (server)": PlaceOut{}, "leg": Leg{}, "fix": Fix{}, "vehicle": Vehicle{}, "stop": Stop{}, "party": Party{}, "traveller (server)": Traveller{},
		"trip driver": TripDriver{}, "queue place": QueuePlace{}, "ended": Ended{}, "board driver": BoardDriver{}, "barred": Barred{}, "latency": Latency{},
		"nearby cell": NearbyCell{}, "extent": Extent{}, "way": Way{},
	} {
		check("object/"+title, reflect.TypeOf(body), false)
	}
	for key := range shown {
		t.Errorf("the manual has a section %s that is nothing in the code", key)
	}
}

// Every link within the manual leads to a heading.
func TestManualLinks(t *testing.T) {
	text := manual(t)
	anchors := map[string]bool{}
	for _, part := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		anchor := strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(part[1]), ""), " ", "-")
		for base, n := anchor, 1; anchors[anchor]; n++ {
			anchor = fmt.Sprintf("%s-%d", base, n)
		}
		anchors[anchor] = true
	}
	for _, part := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(text, -1) {
		if !anchors[part[1]] {
			t.Errorf("the manual links to #%s, which is no heading", part[1])
		}
	}
}

// sessionLine is one frame of the session in the manual.
type sessionLine struct {
	text, who, frame string
	fromClient       bool
}

func session(t *testing.T) []sessionLine {
	var lines []sessionLine
	for _, part := range regexp.MustCompile("<!-- transcript -->\n```text\n((?s:.*?))```\n").FindAllStringSubmatch(manual(t), -1) {
		for text := range strings.Lines(part[1]) {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			words := strings.SplitN(text, " ", 3)
			if len(words) != 3 || words[1] != "►" && words[1] != "◄" {
				t.Fatalf("not a frame of the session: %s", text)
			}
			lines = append(lines, sessionLine{text: text, who: words[0], frame: words[2], fromClient: words[1] == "►"})
		}
	}
	return lines
}

// Every frame of the session in the manual is one that the code reads and writes
// to the byte, and is sent by a role that may send it.
func TestManualSession(t *testing.T) {
	roles := map[string]string{"D": RoleDriver, "P": RolePassenger}
	lines := session(t)
	if len(lines) < 20 {
		t.Errorf("the session has only %d lines", len(lines))
	}
	for _, line := range lines {
		var again []byte
		var err error
		if line.fromClient {
			f, bad := DecodeClient([]byte(line.frame))
			if bad != nil {
				t.Fatalf("%s: %v", line.text, bad)
			}
			if !f.Type.MayBeSentBy(roles[line.who]) {
				t.Errorf("%s: no %s may send this", line.text, roles[line.who])
			}
			again, err = EncodeClient(f.Type, f.ID, f.Body)
		} else {
			f := decodeServer(t, line.frame)
			again, err = EncodeServer(f.Type, f.Re, f.Body)
		}
		if err != nil || string(again) != line.frame {
			t.Errorf("%s\nis encoded as\n%s (%v)", line.text, again, err)
		}
	}
}

// The session keeps what the manual promises: every command is answered once,
// nobody is told an older version after a newer one, and a version has one state.
func TestManualSessionKeepsPromises(t *testing.T) {
	unanswered := map[string]bool{}
	newest := map[string]int64{}
	states := map[int64]string{}
	agree := func(line sessionLine, version int64, state string) {
		if had, ok := states[version]; ok && had != state {
			t.Errorf("%s: version %d was %s before", line.text, version, had)
		}
		states[version] = state
	}
	for _, line := range session(t) {
		if line.fromClient {
			if f, _ := DecodeClient([]byte(line.frame)); f.ID != "" {
				unanswered[line.who+" "+f.ID] = true // a repeat waits for the same answer
			}
			continue
		}
		f := decodeServer(t, line.frame)
		switch b := f.Body.(type) {
		case Done:
			agree(line, b.Version, b.State)
			if !unanswered[line.who+" "+f.Re] {
				t.Errorf("%s: answers nothing", line.text)
			}
			delete(unanswered, line.who+" "+f.Re)
		case Trip:
			agree(line, b.Version, b.State)
			if b.Version <= newest[line.who] {
				t.Errorf("%s: version %d is not newer than %d", line.text, b.Version, newest[line.who])
			}
			newest[line.who] = b.Version
		}
	}
	for command := range unanswered {
		t.Errorf("command %s is never answered", command)
	}
}
