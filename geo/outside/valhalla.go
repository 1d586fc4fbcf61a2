package outside

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"cuntong/geo"
)

// Valhalla knows cars and buses; the small ones drive as cars do.
func valhallaClass(class geo.VehicleClass) geo.VehicleClass {
	if class == geo.Bus {
		return geo.Bus
	}
	return geo.Car
}

func costing(class geo.VehicleClass) string {
	if class == geo.Bus {
		return "bus"
	}
	return "auto"
}

// valhallaPlace is a point as Valhalla wants it.
type valhallaPlace struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

// valhallaRequest asks /route about one drive and /sources_to_targets about several.
func valhallaRequest(ctx context.Context, base string, group []question) (*http.Request, func([]byte) ([]reply, error), error) {
	var from []valhallaPlace
	for _, q := range group {
		from = append(from, valhallaPlace(q.from))
	}
	to := valhallaPlace(group[0].to)
	ask := map[string]any{"costing": costing(group[0].class), "units": "kilometers"}
	path, answer := "/route", valhallaRoute
	if len(group) == 1 {
		ask["locations"] = append(from, to)
		ask["directions_type"] = "none"
	} else {
		path, answer = "/sources_to_targets", valhallaMatrix
		ask["sources"], ask["targets"], ask["verbose"] = from, []valhallaPlace{to}, true
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return req, answer, nil
}

func valhallaRoute(body []byte) ([]reply, error) {
	answer, err := read[struct {
		Trip struct {
			Status  *int
			Summary struct{ Time, Length *float64 }
		}
	}](body)
	if err != nil {
		return nil, err
	}
	if s := answer.Trip.Status; s == nil || *s != 0 {
		return nil, fmt.Errorf("the outside router's answer is no trip")
	}
	return []reply{kilometres(answer.Trip.Summary.Time, answer.Trip.Summary.Length)}, nil
}

func valhallaMatrix(body []byte) ([]reply, error) {
	answer, err := read[struct {
		Rows [][]struct{ Time, Distance *float64 } `json:"sources_to_targets"`
	}](body)
	if err != nil {
		return nil, err
	}
	var replies []reply
	for _, row := range answer.Rows {
		if len(row) != 1 {
			return nil, fmt.Errorf("the outside router's answer has a row of %d for one target", len(row))
		}
		replies = append(replies, kilometres(row[0].Time, row[0].Distance))
	}
	return replies, nil
}

func kilometres(seconds, km *float64) reply {
	if km == nil {
		return reply{}
	}
	metres := *km * 1000
	return replyOf(seconds, &metres)
}

// Valhalla's error codes that mean that there is no way, or no road near an end.
const (
	valhallaNoEdges = 171
	valhallaNoPath  = 442
)

func valhallaNoRoute(body []byte) bool {
	answer, err := read[struct {
		Code int `json:"error_code"`
	}](body)
	return err == nil && (answer.Code == valhallaNoPath || answer.Code == valhallaNoEdges)
}
