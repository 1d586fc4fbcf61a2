// Package report says what a load test came to: as a table, as JSON, as a page with charts, and as a verdict.
//
//	swarm.Result ─► New ─► Report ─► WriteJSON   for programs; see [Report] for the fields
//	                          │  ├─► WriteText   for terminals
//	                          │  └─► WriteHTML   one file, no scripts, no fonts, nothing fetched
//	                          └───► Judge        thresholds, and whether they hold
//
// It only rearranges what package swarm has seen and starts nothing.
package report
