package redistest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Server is one redis-server, or one Sentinel. Its methods may be called from any
// goroutine.
type Server struct {
	// Static after construction.
	Addr string // host and port
	Dir  string // its files

	exec     []string // the command that becomes the server, arguments included
	papers   Papers
	password string

	mu   sync.Mutex // guards the following field
	life *life      // nil: it has never been started
}

// life is one process of a server.
type life struct {
	process *os.Process
	ended   chan struct{}
}

// newServer writes the configuration of one and chooses its port; conf gets the
// port and returns the lines of its configuration.
func (s *Set) newServer(name string, place Place, password string, conf func(port int) []string) (*Server, error) {
	dir := filepath.Join(s.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	port, err := freePort(place.Host)
	if err != nil {
		return nil, err
	}
	lines := append([]string{
		"bind " + place.Host,
		"protected-mode no",
		"dir " + dir,
		"logfile " + filepath.Join(dir, "redis.log"),
	}, s.portLines(port)...)
	lines = append(lines, conf(port)...)
	file := filepath.Join(dir, "redis.conf")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	return &Server{
		Addr:     net.JoinHostPort(place.Host, strconv.Itoa(port)),
		Dir:      dir,
		exec:     append(append([]string(nil), place.Exec...), "redis-server", file),
		papers:   s.Papers,
		password: password,
	}, nil
}

// portLines say on which port, and how, a server listens.
func (s *Set) portLines(port int) []string {
	if !s.opts.TLS {
		return []string{fmt.Sprint("port ", port)}
	}
	return []string{
		"port 0", fmt.Sprint("tls-port ", port), "tls-replication yes",
		"tls-ca-cert-file " + s.Papers.CA, "tls-cert-file " + s.Papers.Cert, "tls-key-file " + s.Papers.Key,
	}
}

// Start starts a server that is not running, on the files it has, and waits until it
// has read them and answers; its address must be reachable from here.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	if s.life != nil && !s.life.over() {
		s.mu.Unlock()
		return fmt.Errorf("%s runs already", s.Addr)
	}
	l, err := s.launch()
	s.life = l
	s.mu.Unlock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	client := s.Client()
	defer client.Close()
	err = until(ctx, s.Addr+" answers", func() error {
		if l.over() {
			cancel()
			return errors.New("it has ended")
		}
		// The client logs every failed dial, so it is not let near a closed port.
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr)
		if err != nil {
			return err
		}
		return errors.Join(conn.Close(), client.Ping(ctx).Err())
	})
	if err != nil {
		return fmt.Errorf("%w; its log ends: %s", err, s.logEnd())
	}
	return nil
}

// launch starts the process. The kernel kills it when the thread that started it
// ends, so a goroutine keeps that thread for it.
func (s *Server) launch() (*life, error) {
	cmd := exec.Command(s.exec[0], s.exec[1:]...)
	cmd.Dir = s.Dir
	cmd.SysProcAttr = attributes()
	l := &life{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(l.ended)
		err := cmd.Start()
		l.process = cmd.Process
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
	}()
	return l, <-started
}

func (l *life) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// PID is the process id of the running server; 0: it does not run.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil || s.life.process == nil || s.life.over() {
		return 0
	}
	return s.life.process.Pid
}

// signal sends one to the server and its children.
func (s *Server) signal(sig syscall.Signal) {
	if pid := s.PID(); pid > 0 {
		_ = syscall.Kill(-pid, sig) // it may have ended meanwhile
	}
}

// Kill ends the server without warning (SIGKILL) and returns when it has ended.
func (s *Server) Kill() {
	s.signal(syscall.SIGKILL)
	s.wait()
}

// Stop asks the server to end in order (SIGTERM) and returns when it has.
func (s *Server) Stop() {
	s.signal(syscall.SIGTERM)
	s.wait()
}

func (s *Server) wait() {
	s.mu.Lock()
	l := s.life
	s.mu.Unlock()
	if l != nil {
		<-l.ended
	}
}

// Pause stops the server where it is (SIGSTOP): its connections stay open and it
// answers nothing until Resume.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume continues a paused server (SIGCONT).
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

// Restart kills the server, if it runs, and starts it on the same files.
func (s *Server) Restart(ctx context.Context) error {
	s.Kill()
	return s.Start(ctx)
}

// Log is what the server has written to its log.
func (s *Server) Log() string {
	text, _ := os.ReadFile(filepath.Join(s.Dir, "redis.log")) // it may not have come so far
	return string(text)
}

// logEnd is the last lines of the log.
func (s *Server) logEnd() string {
	text := s.Log()
	return text[max(0, len(text)-600):]
}

// Client returns a client of this very server, as its default user. The caller
// closes it.
func (s *Server) Client() *redis.Client {
	o := &redis.Options{
		Addr: s.Addr, Password: s.password, Protocol: 2, MaxRetries: -1, DisableIdentity: true,
		DialTimeout: answerWait, ReadTimeout: answerWait, ContextTimeoutEnabled: true, PoolSize: 4, DialerRetries: 1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if s.papers != (Papers{}) {
		// Papers that were written are read again; a failure shows itself as a failed handshake.
		o.TLSConfig, _ = s.papers.Config()
	}
	return redis.NewClient(o)
}

// Do runs one command on this server as its default user.
func (s *Server) Do(ctx context.Context, words ...any) (any, error) {
	client := s.Client()
	defer client.Close()
	return client.Do(ctx, words...).Result()
}

// info returns one section of INFO.
func (s *Server) info(ctx context.Context, section string) (map[string]string, error) {
	if s.PID() == 0 {
		return nil, fmt.Errorf("%s does not run", s.Addr)
	}
	client := s.Client()
	defer client.Close()
	text, err := client.Info(ctx, section).Result()
	return fields(text), err
}

// fields reads lines of name:value.
func fields(text string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			found[name] = value
		}
	}
	return found
}

// The ports that servers get are below those that the kernel gives to clients, so
// that nobody takes one while its server is away.
const (
	firstPort = 11000
	lastPort  = 32000
	portTries = 200
)

// firstTry and tries let a process take every port once: one that it was given may be without
// its server, not yet started or ended for a while. Another process begins elsewhere.
var (
	firstTry = rand.IntN(lastPort - firstPort)
	tries    atomic.Int64
)

// FreeAddr returns an address on a host of this machine that nobody listens on, that
// the kernel gives to no client, and that this process has not returned before: a server
// that a test ends and starts again finds it free.
func FreeAddr(host string) (string, error) {
	port, err := freePort(host)
	return net.JoinHostPort(host, strconv.Itoa(port)), err
}

// freePort returns a port nobody listens on. An address of another network
// namespace cannot be tried from here; there any port will do.
func freePort(host string) (int, error) {
	for range portTries {
		port := firstPort + (firstTry+int(tries.Add(1)))%(lastPort-firstPort)
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port on %s", host)
}
