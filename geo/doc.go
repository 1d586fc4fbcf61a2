// Package geo answers where things are and how far apart.
//
// Everything inside is WGS-84 degrees and metres; other datums are converted
// at the edge by ToWGS84. The package is pure: it starts no goroutine, takes no
// lock, reads no clock, and imports nothing else of this module, so a reader
// can start here and meet no unknown word.
//
//	Point, Distance            a place, and the straight line between two
//	Datum, ToWGS84             the coordinates Chinese maps print, converted
//	Cell                       an H3 cell, for keys and for counting
//	Router, Crow               the drive between two points, estimated
//	Roads, RoadChange          roads that close and open, and what makes them
//	EncodePolyline, Simplify   a way on the map, small enough for a phone
//	Area                       a service area and its border
//	Village, Gazetteer         named places, their pickup points, and search
//	Index                      moving things, closest first
package geo
