// Package terrain invents mountain roads: for a demo without a map, and for
// measurements on networks larger than any at hand. The same [Params] give the same
// roads, on one kind of processor (another may round a fused multiplication
// otherwise). Nothing in it is real, and the graph says so as its source.
//
// How a county comes about, one file each:
//
//	land.go     heights: ridges, valleys, and rivers in gorges
//	town.go     a small grid of streets in each town, some of them one-way
//	scatter.go  points that roads may pass, in the valleys rather than on the ridges
//	link.go     a spanning tree of the cheapest links, some more of them, few bridges
//	rank.go     which of the roads are trunk roads and which are tracks
//	lay.go      the line of each road, with hairpins where it is steep
package terrain
