package stage

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// running is one process.
type running struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of starting it

	expected bool // its end is our doing; guarded by the mutex of its Server
}

// launch starts a process that dies with us: the kernel kills it when the thread that
// started it ends, so a goroutine keeps that thread for it.
func launch(cmd *exec.Cmd) *running {
	r := &running{cmd: cmd, ended: make(chan struct{})}
	started := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(r.ended)
		r.err = cmd.Start()
		close(started)
		if r.err == nil {
			_ = cmd.Wait() // how it ended is in its state
		}
	}()
	<-started
	return r
}

func (r *running) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// Server is one dispatchd under its name, over all its lives. Its methods may be called
// from any goroutine.
type Server struct {
	// Static after construction.
	Name    string
	Addr    string // of its public side
	private string
	place   string
	prefix  []string // the command that becomes it
	args    []string
	skew    string
	mutant  string
	dir     string

	mu     sync.Mutex // guards the following fields
	life   *running
	lives  int
	sudden []string // ends that nobody ordered
}

// start begins a life with a program. Order is what it is to do at a point, or empty.
func (s *Server) start(program, order string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != nil && !s.life.over() {
		return fmt.Errorf("%s runs already", s.Name)
	}
	words := append(slices.Clone(s.prefix), program)
	words = append(words, s.args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "CUNTONG_SKEW="+s.skew, "CUNTONG_MUTANT="+s.mutant, "CUNTONG_FAULT="+order, "GOTRACEBACK=all")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	s.lives++
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- life %d of %s: %s\n", s.lives, s.Name, order)
	cmd.Stdout, cmd.Stderr = log, log
	s.life = launch(cmd)
	s.life.expected = order != ""
	if s.life.err != nil {
		return s.life.err
	}
	go s.watch(s.life)
	return nil
}

func (s *Server) logFile() string { return filepath.Join(s.dir, s.Name+".log") }

// watch notes an end that nobody ordered.
func (s *Server) watch(life *running) {
	<-life.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	if !life.expected {
		s.sudden = append(s.sudden, fmt.Sprintf("life %d of %s ended: %v; its log ends: %s", s.lives, s.Name, life.cmd.ProcessState, tail(s.logFile())))
	}
}

// tail is the end of a file.
func tail(file string) string {
	text, _ := os.ReadFile(file) // there may be none
	return string(text[max(0, len(text)-1500):])
}

// Alive says whether it runs, paused or not.
func (s *Server) Alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life != nil && !s.life.over()
}

// signal sends one; expect says that it may end by it.
func (s *Server) signal(sig syscall.Signal, expect bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil || s.life.over() {
		return
	}
	s.life.expected = s.life.expected || expect
	_ = s.life.cmd.Process.Signal(sig) // it may have ended just now
}

// kill ends it at once and waits.
func (s *Server) kill() {
	s.signal(syscall.SIGKILL, true)
	s.await(10 * time.Second)
}

// await waits for its end and says whether it came.
func (s *Server) await(limit time.Duration) bool {
	s.mu.Lock()
	life := s.life
	s.mu.Unlock()
	if life == nil {
		return true
	}
	select {
	case <-life.ended:
		return true
	case <-time.After(limit):
		return false
	}
}

// Sudden are the ends that nobody ordered.
func (s *Server) Sudden() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sudden)
}

// listening waits until the public side answers at all.
func (s *Server) listening(limit time.Duration) error {
	client := http.Client{Timeout: time.Second}
	for until := time.Now().Add(limit); ; time.Sleep(30 * time.Millisecond) {
		resp, err := client.Get("http://" + s.Addr + "/healthz")
		if err == nil {
			resp.Body.Close()
			return nil
		}
		if time.Now().After(until) || !s.Alive() {
			return fmt.Errorf("%s does not answer: %w; its log ends: %s", s.Name, err, tail(s.logFile()))
		}
	}
}

// firstPort is below those that the kernel gives to clients.
var ports = struct {
	sync.Mutex
	next int
}{next: 20000 + os.Getpid()%5000}

// freePort is a port of this machine, or of a place in our network, where any will do.
func freePort() string {
	ports.Lock()
	defer ports.Unlock()
	for {
		ports.next++
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(ports.next))
		if err == nil {
			l.Close()
			return strconv.Itoa(ports.next)
		}
	}
}

// Build builds the server for tests, and where it is wanted a second version of it for
// a rolling upgrade; else both are the same.
func Build(dir string, race, second bool) (programs [2]string, err error) {
	for i := range programs {
		if i == 1 && !second {
			programs[1] = programs[0]
			continue
		}
		programs[i] = filepath.Join(dir, fmt.Sprint("dispatchd-", i+1))
		args := []string{"build", "-tags", "chaos", "-ldflags", fmt.Sprint("-X main.version=chaos-", i+1), "-o", programs[i]}
		if race {
			args = append(args, "-race")
		}
		out, err := exec.Command("go", append(args, "./cmd/dispatchd")...).CombinedOutput()
		if err != nil {
			return programs, fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return programs, nil
}
