//go:build !race

package road

const raceDetector = false
