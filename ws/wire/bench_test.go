package wire

import (
	"os"
	"testing"
)

// golden returns a golden file as it travels, without white space.
func golden(b *testing.B, name string) []byte {
	b.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		b.Fatal(err)
	}
	return []byte(compacted(b, string(text)))
}

func BenchmarkDecodePosition(b *testing.B) {
	for _, name := range []string{"client_position", "client_position_full"} {
		b.Run(name, func(b *testing.B) {
			frame := golden(b, name)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			var p Position
			for b.Loop() {
				if ok, err := DecodePosition(frame, &p); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

func BenchmarkDecodeClient(b *testing.B) {
	for _, name := range []string{"client_position_full", "client_accept", "client_request", "client_request_agent"} {
		b.Run(name, func(b *testing.B) {
			frame := golden(b, name)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodeClient(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendServer(b *testing.B) {
	for _, name := range []string{"server_done", "server_offer", "server_trip_assigned", "server_driver_at", "server_truth_driving", "server_board"} {
		b.Run(name, func(b *testing.B) {
			f, err := DecodeServer(golden(b, name))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				if dst, err = AppendServer(dst[:0], f.Type, f.Re, f.Body); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}

func BenchmarkDecodeServer(b *testing.B) {
	for _, name := range []string{"server_done", "server_offer", "server_trip_assigned", "server_driver_at"} {
		b.Run(name, func(b *testing.B) {
			frame := golden(b, name)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodeServer(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodeClient(b *testing.B) {
	p := Position{Lat: 25.912345, Lon: 109.172468, Datum: DatumWGS84, At: 1773446433507, SpeedMPS: Some(9.7)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EncodeClient(TypePosition, "", &p); err != nil {
			b.Fatal(err)
		}
	}
}

// golden in protobuf.
func goldenPB(b *testing.B, name string) []byte {
	frame, _ := throughPB(b, name[:len("client")] == "client", golden(b, name))
	return frame
}

func BenchmarkPBDecodePosition(b *testing.B) {
	frame := goldenPB(b, "client_position_full")
	b.ReportAllocs()
	var p Position
	for b.Loop() {
		if ok, err := PB.DecodePosition(frame, &p); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkPBDecodeClient(b *testing.B) {
	for _, name := range []string{"client_accept", "client_request", "client_track"} {
		b.Run(name, func(b *testing.B) {
			frame := goldenPB(b, name)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := PB.DecodeClient(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPBAppendServer(b *testing.B) {
	for _, name := range []string{"server_done", "server_offer", "server_trip_assigned", "server_trip_lean", "server_driver_at", "server_board"} {
		b.Run(name, func(b *testing.B) {
			f, err := PB.DecodeServer(goldenPB(b, name))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				if dst, err = PB.AppendServer(dst[:0], f.Type, f.Re, f.Body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
