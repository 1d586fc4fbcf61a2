package outside

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"cuntong/geo"
)

// An osrm-routed has one profile, chosen when its data was made: it is asked about
// cars, and what it says of cars corrects all.
func osrmClass(geo.VehicleClass) geo.VehicleClass { return geo.Car }

// osrmRequest asks /route about one drive and /table about several.
func osrmRequest(ctx context.Context, base string, group []question) (*http.Request, func([]byte) ([]reply, error), error) {
	var at strings.Builder
	for _, q := range group {
		fmt.Fprintf(&at, "%.6f,%.6f;", q.from.Lon, q.from.Lat)
	}
	to := group[0].to
	fmt.Fprintf(&at, "%.6f,%.6f", to.Lon, to.Lat)
	if len(group) == 1 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/route/v1/driving/"+at.String()+"?overview=false", nil)
		return req, osrmRoute, err
	}
	sources := make([]string, len(group))
	for i := range group {
		sources[i] = fmt.Sprint(i)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/table/v1/driving/%s?sources=%s&destinations=%d&annotations=duration,distance",
		base, at.String(), strings.Join(sources, ";"), len(group)), nil)
	return req, osrmTable, err
}

func osrmRoute(body []byte) ([]reply, error) {
	answer, err := read[struct {
		Code   string
		Routes []struct{ Duration, Distance *float64 }
	}](body)
	if err != nil {
		return nil, err
	}
	if answer.Code != "Ok" || len(answer.Routes) == 0 {
		return nil, fmt.Errorf("the outside router's answer is %.40q with %d routes", answer.Code, len(answer.Routes))
	}
	return []reply{replyOf(answer.Routes[0].Duration, answer.Routes[0].Distance)}, nil
}

func osrmTable(body []byte) ([]reply, error) {
	answer, err := read[struct {
		Code                 string
		Durations, Distances [][]*float64
	}](body)
	if err != nil {
		return nil, err
	}
	if answer.Code != "Ok" || len(answer.Durations) != len(answer.Distances) {
		return nil, fmt.Errorf("the outside router's answer is %.40q with %d and %d rows", answer.Code, len(answer.Durations), len(answer.Distances))
	}
	var replies []reply
	for i, row := range answer.Durations {
		if len(row) != 1 || len(answer.Distances[i]) != 1 {
			return nil, fmt.Errorf("the outside router's answer has a row of %d for one destination", len(row))
		}
		replies = append(replies, replyOf(row[0], answer.Distances[i][0]))
	}
	return replies, nil
}

func osrmNoRoute(body []byte) bool {
	answer, err := read[struct{ Code string }](body)
	return err == nil && (answer.Code == "NoRoute" || answer.Code == "NoSegment")
}
