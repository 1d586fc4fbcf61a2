//go:build race

package geo

const raceDetector = true
