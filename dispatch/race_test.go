//go:build race

package dispatch

// fewer is how many of n seeds are lived through when none are asked for: the race
// detector makes a day ten times as long, and there is nothing for it in a core that
// belongs to one goroutine. The checks live through more without it.
func fewer(n int) int { return n / 4 }
