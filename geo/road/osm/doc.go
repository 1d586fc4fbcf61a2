// Package osm turns an OpenStreetMap extract (.osm.pbf) into a road network: which
// ways can be driven, in which direction, how fast, how steep, and where one may
// not turn; and its settlements into a gazetteer.
//
// What is left out is counted with the reason, because a road that is silently
// missing sends a driver round the mountain.
package osm
