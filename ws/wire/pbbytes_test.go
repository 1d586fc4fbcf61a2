package wire

import (
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The budgets of a link on which bytes are dear, of the payload of one message.
const (
	positionBudget    = 27
	tenPositionBudget = 121
)

// No position on earth takes more than its budget, until the year 2109: then the moment
// takes another byte.
func TestPBPositionBytes(t *testing.T) {
	longest := Position{Lat: 45, Lon: 135.1, Datum: DatumBD09, At: 1 << 41, AccuracyM: Some(1_000), HeadingDeg: Some(360), SpeedMPS: Some(maxSpeedMPS)}
	if frame, err := PB.EncodeClient(TypePosition, "", longest); err != nil || len(frame) != positionBudget {
		t.Errorf("the longest takes %d bytes (%v), the budget is %d", len(frame), err, positionBudget)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := Position{
			Lat:        rapid.Float64Range(-maxLat, maxLat).Draw(t, "lat"),
			Lon:        rapid.Float64Range(-maxLon, maxLon).Draw(t, "lon"),
			Datum:      rapid.SampledFrom([]string{DatumWGS84, DatumGCJ02, DatumBD09}).Draw(t, "datum"),
			At:         rapid.Int64Range(1, 4_398_046_511_103).Draw(t, "at"), // up to the year 2109
			AccuracyM:  optional(t, "accuracy", 1_600),
			HeadingDeg: optional(t, "heading", maxHeadingDeg),
			SpeedMPS:   optional(t, "speed", maxSpeedMPS),
		}
		frame, err := PB.EncodeClient(TypePosition, "", p)
		if err != nil {
			t.Fatal(err)
		}
		if len(frame) > positionBudget {
			t.Errorf("%d bytes for %+v", len(frame), p)
		}
		var got Position
		if ok, err := PB.DecodePosition(frame, &got); !ok || err != nil {
			if nowhere(math.Round(p.Lat*1e6), math.Round(p.Lon*1e6)) == nil {
				t.Fatal(ok, err)
			}
			return
		}
		if got != rounded(p) {
			t.Errorf("%+v is read as %+v", p, got)
		}
	})
}

func optional(t *rapid.T, name string, most float64) Optional {
	if !rapid.Bool().Draw(t, name+" is known") {
		return Optional{}
	}
	return Some(rapid.Float64Range(0, most).Draw(t, name))
}

// rounded is p as the compact wire keeps it.
func rounded(p Position) Position {
	to := func(v, scale float64) float64 { return math.Round(v*scale) / scale }
	p.Lat, p.Lon = to(p.Lat, 1e6), to(p.Lon, 1e6)
	p.AccuracyM.Value, p.HeadingDeg.Value, p.SpeedMPS.Value = to(p.AccuracyM.Value, 10), to(p.HeadingDeg.Value, 1), to(p.SpeedMPS.Value, 10)
	return p
}

// tenPositions is a drive of a minute and a half along a mountain road, a position every
// ten seconds with all that a phone measures.
func tenPositions() Track {
	track := Track{Datum: DatumWGS84}
	at, lat, lon := int64(1_773_447_000_512), 25.931204, 109.171035
	headings := []float64{348, 352, 3, 17, 41, 38, 12, 355, 341, 330}
	speeds := []float64{8.3, 8.9, 9.4, 7.1, 5.2, 6.8, 9.9, 11.4, 12.1, 10.6}
	accuracies := []float64{6.5, 6.5, 7.2, 9.8, 14.1, 9.3, 6.1, 5.4, 5.4, 6}
	for i := range headings {
		track.Fixes = append(track.Fixes, TrackFix{
			Lat: math.Round(lat*1e6) / 1e6, Lon: math.Round(lon*1e6) / 1e6, At: at,
			AccuracyM: Some(accuracies[i]), HeadingDeg: Some(headings[i]), SpeedMPS: Some(speeds[i]),
		})
		along := headings[i] * math.Pi / 180
		lat += 10 * speeds[i] * math.Cos(along) / 111_195
		lon += 10 * speeds[i] * math.Sin(along) / 100_000
		at += 10_000 + int64(i*37%23) - 11
	}
	return track
}

func TestPBTrackBytes(t *testing.T) {
	track := tenPositions()
	frame, err := PB.EncodeClient(TypeTrack, "d1-77", track)
	if err != nil {
		t.Fatal(err)
	}
	text, err := EncodeClient(TypeTrack, "d1-77", track)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ten positions: %d bytes in pb, %d in JSON", len(frame), len(text))
	if len(frame) > tenPositionBudget {
		t.Errorf("ten positions take %d bytes, the budget is %d", len(frame), tenPositionBudget)
	}
	f, err := PB.DecodeClient(frame)
	if diff := cmp.Diff(ClientFrame{TypeTrack, "d1-77", track}, f); diff != "" || err != nil {
		t.Errorf("written (-), read (+): %v\n%s", err, diff)
	}
}

// A track comes back as it was, to the stated precision, whatever is known of each
// position.
func TestPBTrackRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		track := Track{Datum: DatumGCJ02}
		at := rapid.Int64Range(1, lastInstant/2).Draw(t, "first")
		for range rapid.IntRange(1, MaxTrackFixes).Draw(t, "count") {
			at += rapid.Int64Range(1, 1<<32).Draw(t, "step")
			p := rounded(Position{
				Lat: rapid.Float64Range(-maxLat, maxLat).Draw(t, "lat"), Lon: rapid.Float64Range(1, maxLon).Draw(t, "lon"),
				AccuracyM: optional(t, "accuracy", maxAccuracyM), HeadingDeg: optional(t, "heading", maxHeadingDeg), SpeedMPS: optional(t, "speed", maxSpeedMPS),
			})
			track.Fixes = append(track.Fixes, TrackFix{p.Lat, p.Lon, at, p.AccuracyM, p.HeadingDeg, p.SpeedMPS, rapid.Bool().Draw(t, "mock")})
		}
		frame, err := PB.EncodeClient(TypeTrack, "c", track)
		if err != nil {
			t.Fatal(err)
		}
		f, err := PB.DecodeClient(frame)
		if len(frame) > MaxFrameBytes {
			t.Skip("leaps about more than fits a frame")
		}
		if diff := cmp.Diff(ClientFrame{TypeTrack, "c", track}, f); diff != "" || err != nil {
			t.Errorf("written (-), read (+): %v\n%s", err, diff)
		}
	})
}

func TestPBDecodePositionDoesNotAllocate(t *testing.T) {
	for _, name := range []string{"client_position.json", "client_position_full.json", "client_position_mock.json", "client_accept.json"} {
		frame, _ := throughPB(t, true, []byte(goldens(t)[name]))
		var p Position
		allocs := testing.AllocsPerRun(100, func() {
			if ok, err := PB.DecodePosition(frame, &p); ok != strings.Contains(name, "position") || err != nil {
				t.Fatal(ok, err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

// The manual shows a position byte by byte. With -rewrite it is renewed.
func TestManualShowsPositionInHex(t *testing.T) {
	text := manual(t)
	shown := regexp.MustCompile("<!-- hex: client_position_full -->\n```text\n((?s:.*?))```\n").FindStringSubmatchIndex(text)
	if shown == nil {
		t.Fatal("the manual shows no position in hex")
	}
	want := positionInHex(t)
	if *rewrite {
		if err := os.WriteFile(manualFile, []byte(text[:shown[2]]+want+text[shown[3]:]), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, text[shown[2]:shown[3]]); diff != "" {
		t.Errorf("code (-), manual (+); run go test ./ws/wire -run Manual -rewrite\n%s", diff)
	}
}

// positionInHex is the example of the manual: a golden position, byte by byte.
func positionInHex(t *testing.T) string {
	frame, _ := throughPB(t, true, []byte(goldens(t)["client_position_full.json"]))
	var b strings.Builder
	for part := range hexParts(frame) {
		fmt.Fprintln(&b, part)
	}
	fmt.Fprintf(&b, "%d bytes in all\n", len(frame))
	return b.String()
}

// hexParts goes through the golden position's bytes, each field with what it says.
func hexParts(frame []byte) func(func(string) bool) {
	parts := []struct {
		bytes int
		says  string
	}{
		{2, "field 3, position_gcj02, of the bytes that follow"},
		{9, "field 1, point_e6: lon 109.172468, lat 25.912345, lowest byte first"},
		{7, "field 2, at: 1773446433507"},
		{2, "field 3, accuracy_dm: 65"},
		{2, "field 4, heading_deg: 118"},
		{2, "field 5, speed_dmps: 97"},
	}
	return func(yield func(string) bool) {
		for _, part := range parts {
			n := min(part.bytes, len(frame))
			if !yield(fmt.Sprintf("%-27s %s", hex.EncodeToString(frame[:n]), part.says)) {
				return
			}
			frame = frame[n:]
		}
		if len(frame) > 0 {
			yield(hex.EncodeToString(frame) + " is left")
		}
	}
}
