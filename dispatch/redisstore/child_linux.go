package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxSocketPath is what the address of a unix socket holds on Linux, without its
	// final zero.
	maxSocketPath = 107
	// endGrace is how long a server that was asked to end may write its files.
	endGrace = 10 * time.Second
	// firstRestart and maxRestart are the pauses before a dead child is started again;
	// one that lived for steadyAfter begins with the first again.
	firstRestart = 100 * time.Millisecond
	maxRestart   = 5 * time.Second
	steadyAfter  = 30 * time.Second
	// readyPoll is how often a starting child is asked whether it has read its files.
	readyPoll = 20 * time.Millisecond
	// slowStart is when a starting child is worth a line of the log.
	slowStart = 2 * time.Second
)

// child is a redis-server that lives and dies with this process. It listens on a
// unix socket in its own folder and nowhere else.
type child struct {
	// Static after construction.
	path       string // of the program
	dir        string
	durability Durability
	log        *slog.Logger
	starts     prometheus.Counter
	lock       *os.File
	grace      time.Duration
	stop       chan struct{} // closed by close
	done       chan struct{} // closed when the supervisor has ended

	mu      sync.Mutex // guards the following fields
	process *os.Process
	exit    error // why the first one ended, once done is closed
}

// startChild starts the server at path in the data folder and waits until it has
// read its journal and answers.
func startChild(ctx context.Context, cfg Config, m *metrics, path string) (found, error) {
	dir, err := childFolder(cfg.DataDir)
	if err != nil {
		return found{}, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return found{}, err
	}
	c := &child{
		path: path, dir: dir, durability: cfg.Durability, log: cfg.Log, starts: m.childStarts, lock: lock,
		grace: endGrace, stop: make(chan struct{}), done: make(chan struct{}),
	}
	if err := c.endStale(); err != nil {
		return found{}, errors.Join(err, lock.Close())
	}
	go c.supervise()
	if err := c.ready(ctx); err != nil {
		return found{}, errors.Join(err, c.close())
	}
	cfg.Log.Info("redis-server started as a child", "program", path, "socket", c.socket(), "appendfsync", string(c.durability))
	return found{kind: KindChild, target: c.target(), backend: c, durable: c.durability == DurabilityAlways}, nil
}

// childFolder makes the child's folder, which nobody else may read.
func childFolder(dataDir string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(dataDir, "redis"))
	if err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	if n := len(filepath.Join(dir, socketName)); n > maxSocketPath {
		return "", fmt.Errorf("data folder %s: its path is %d bytes too long for a unix socket: choose a shorter one", dir, n-maxSocketPath)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	return dir, nil
}

// lockFolder keeps a second server out of the folder. The lock goes with the
// process that holds it, however it ends; a child does not inherit it.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errors.New("another server is using it: stop that one, or give this one a folder of its own")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("data folder %s: %w", dir, err), f.Close())
	}
	return f, nil
}

const socketName = "redis.sock"

func (c *child) socket() string { return filepath.Join(c.dir, socketName) }

func (c *child) target() target { return target{network: "unix", addr: c.socket()} }

// args are the whole configuration: nothing is read from a file.
func (c *child) args() []string {
	return []string{
		"--port", "0", "--unixsocket", c.socket(), "--unixsocketperm", "700",
		"--dir", c.dir, "--appendonly", "yes", "--appendfsync", string(c.durability), "--save", "",
		"--maxmemory-policy", "noeviction", "--daemonize", "no", "--logfile", "",
	}
}

// supervise keeps a child running until close. A child is told by the kernel when
// the thread that started it ends, so this goroutine keeps its thread to itself.
func (c *child) supervise() {
	defer close(c.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	wait := firstRestart
	for {
		began := time.Now()
		said, err := c.runOnce()
		select {
		case <-c.stop:
			return
		default:
		}
		if time.Since(began) > steadyAfter {
			wait = firstRestart
		}
		c.mu.Lock()
		c.exit = fmt.Errorf("redis-server ended: %v: %s", err, said)
		c.mu.Unlock()
		c.log.Error("THE CHILD REDIS-SERVER HAS DIED; nothing can be recorded until it is back", "error", err, "said", said, "again_in", wait)
		select {
		case <-c.stop:
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, maxRestart)
	}
}

// runOnce starts the server, waits for its end, and returns its last words.
func (c *child) runOnce() (said string, err error) {
	words := &childLog{log: c.log}
	cmd := exec.Command(c.path, c.args()...)
	cmd.Dir = c.dir
	cmd.Env = childEnvironment()
	cmd.Stdout, cmd.Stderr = words, words
	cmd.WaitDelay = time.Second // a rewriting process may hold the pipe
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true,            // Ctrl-C is for us; the child ends when we are done
		Pdeathsig: syscall.SIGTERM, // and if we are killed
	}
	if err := c.launch(cmd); err != nil {
		return "", err
	}
	err = cmd.Wait()
	return words.last(), err
}

// launch starts cmd, unless close came first.
func (c *child) launch(cmd *exec.Cmd) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.stop:
		return errors.New("closing")
	default:
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.starts.Inc()
	c.process = cmd.Process
	return nil
}

// ready waits until the child answers, or has died, or ctx ends.
func (c *child) ready(ctx context.Context) error {
	client := c.target().client(1)
	defer client.Close()
	slow := time.After(slowStart)
	for {
		err := errors.New("nobody listens on its socket")
		// The pool holds back for a second after a failed dial, so it is not let near an empty socket.
		if _, alive := listener(c.socket()); alive {
			err = client.Ping(ctx).Err()
		}
		if err == nil {
			return nil
		}
		select {
		case <-slow:
			c.log.Info("redis-server is still starting; a long journal takes its time", "folder", c.dir, "error", err)
		default:
		}
		c.mu.Lock()
		exit := c.exit
		c.mu.Unlock()
		if exit != nil {
			return exit
		}
		if !pause(ctx, readyPoll) {
			return fmt.Errorf("redis-server in %s does not answer yet: %w (%v)", c.dir, context.Cause(ctx), err)
		}
	}
}

// close asks the child to write its files and end, kills it if it does not, and
// gives the folder up.
func (c *child) close() error {
	c.mu.Lock()
	close(c.stop)
	process := c.process
	c.mu.Unlock()
	var errs []error
	if process != nil {
		if err := shutdown(c.target()); err != nil {
			process.Signal(syscall.SIGTERM) // the same wish, for one that does not listen yet
		}
		select {
		case <-c.done:
		case <-time.After(c.grace):
			errs = append(errs, fmt.Errorf("redis-server in %s did not end within %v and was killed", c.dir, c.grace))
			process.Kill()
		}
	}
	<-c.done
	return errors.Join(append(errs, c.lock.Close())...)
}
