package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"cuntong/geo"
	"cuntong/geo/road"
	"cuntong/geo/road/osm"
)

// network is roads and the villages on them.
type network struct {
	name     string
	licence  string // of the data, to be shown with what is made from it
	roads    geo.Router
	villages []village
	left     int // villages left out: off the roads, or cut off
}

// unchanging is roads to which nothing happens: many cores use them at once, and each
// would think that it alone may set what is closed today.
type unchanging struct{ geo.Router }

// beside is how far a village may be from the road; further off it is likely that the
// road to it is not on the map.
const beside = 300.0 // metres

// loadNetwork reads roads and villages from an extract, with the grades of the roads
// where elevation names a folder of tiles.
func loadNetwork(ctx context.Context, path, elevation string) (network, error) {
	graph, _, err := osm.ReadFile(ctx, path, osm.Options{Elevation: elevation})
	if errors.Is(err, fs.ErrNotExist) {
		return network{}, fmt.Errorf("there is no network at %s: give an OpenStreetMap extract with -osm FILE.osm.pbf (download.geofabrik.de has one of every country)", path)
	}
	if err != nil {
		return network{}, err
	}
	places, err := osm.ReadSettlements(ctx, path)
	if err != nil {
		return network{}, err
	}
	net := network{name: filepath.Base(path), licence: graph.Source() + ", " + graph.Licence(), roads: unchanging{road.NewToday(graph)}}
	var villages []village
	for _, p := range places {
		if _, counts := usualPopulation[p.Kind]; counts {
			villages = append(villages, village{name: p.Name, point: p.Centre, mass: massOf(p.Kind, p.Population), town: p.Kind == "town" || p.Kind == "city"})
		}
	}
	net.villages = joined(villages, net.roads)
	net.left = len(villages) - len(net.villages)
	if len(net.villages) < 3 {
		return net, fmt.Errorf("%s has %d villages on its roads, and %d off them: an evaluation needs 3", path, len(net.villages), net.left)
	}
	return net, nil
}

// joined are the villages beside a road between which one can drive: those that are
// joined both ways with the one that most others are joined with.
func joined(villages []village, roads geo.Router) []village {
	var spots []geo.Spot
	var near []village
	for _, v := range villages {
		spot := roads.Locate(v.point, -1)
		if spot.Off <= beside {
			near, spots = append(near, v), append(spots, spot)
		}
	}
	by := geo.Drive{Class: geo.Car, Leaves: dayBegins.Time()}
	var best []village
	for _, from := range spots {
		var group []village
		for i, to := range spots {
			_, there := roads.Travel(from, to, by)
			_, back := roads.Travel(to, from, by)
			if there && back {
				group = append(group, near[i])
			}
		}
		if len(group) > len(best) {
			best = group
		}
		if 2*len(best) > len(spots) {
			break // no other can be larger
		}
	}
	return best
}
