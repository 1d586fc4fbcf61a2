//go:build !linux

package redistest

import "syscall"

// attributes give a server a process group of its own. Only Linux ends it with us.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
