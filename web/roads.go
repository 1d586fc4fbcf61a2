package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"math"
	"net/http"
	"strings"
)

// Roads is what the page draws beneath the villages.
type Roads struct {
	// Credit is shown beside the plan: where the roads come from and under what
	// licence, or that they are no real ones.
	Credit string
	Lines  []RoadLine
}

// RoadLine is one line to draw.
type RoadLine struct {
	// Rank is 0 for tracks, 1 for village roads, 2 for roads between villages and 3
	// for main roads.
	Rank int
	// Points are latitude and longitude in degrees, two or more.
	Points [][2]float64
}

// roadUnits is how many units of a line are in a degree; one is about a metre.
const roadUnits = 1e5

// encode writes the roads as the page's roads.js reads them: {"credit":…,"lines":…},
// each line a list of its rank and then latitude and longitude by turns, in units of
// a hundred thousandth of a degree, the first point from zero and each further one
// from the point before.
func (r *Roads) encode() []byte {
	form := struct {
		Credit string    `json:"credit"`
		Lines  [][]int64 `json:"lines"`
	}{r.Credit, make([][]int64, 0, len(r.Lines))}
	for _, line := range r.Lines {
		numbers := []int64{int64(line.Rank)}
		var before [2]int64
		for _, p := range line.Points {
			for i, degrees := range p {
				at := int64(math.Round(degrees * roadUnits))
				numbers = append(numbers, at-before[i])
				before[i] = at
			}
		}
		form.Lines = append(form.Lines, numbers)
	}
	text, err := json.Marshal(form)
	if err != nil {
		panic("web: roads do not make JSON: " + err.Error()) // strings and whole numbers do
	}
	return text
}

// packed is a file that is sent compressed to whoever takes it so, which every
// browser does. Static after construction.
type packed struct{ plain, small *file }

func newPacked(name string, body []byte) *packed {
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	_, _ = z.Write(body) // a buffer takes everything
	_ = z.Close()
	return &packed{newFile(name, body), newFile(name, small.Bytes())}
}

// ServeHTTP answers as file does.
func (p *packed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		p.plain.ServeHTTP(w, r)
		return
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		w.Header().Set("Content-Encoding", "gzip")
	}
	p.small.ServeHTTP(w, r)
}
