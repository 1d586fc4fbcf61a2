package redistest

import "syscall"

// attributes give a server a process group of its own, so that Ctrl-C is ours
// alone, and end it with the thread that started it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
