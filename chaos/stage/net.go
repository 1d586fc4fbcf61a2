package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// netPrefix begins the names of our network namespaces; the number of the process
// that made them follows.
const netPrefix = "ctchaos"

// Places in the network: data nodes of Redis are r0 to r8, servers s0 to s4. The hub
// is where the phones, the proxies and this program are.
const (
	maxRedis   = 9
	maxServers = 5
	hubAddr    = "10.213.0.1"
	hubName    = "hub"
)

// Net is a network of namespaces on a bridge. Without one everything is on loopback
// and no link can be cut.
type Net struct {
	prefix string

	mu  sync.Mutex         // guards the following field
	cut map[[2]string]bool // from, to: what is lost on the way
}

// NoNet says why there can be no network of our own here; nil: there can.
func NoNet() error {
	if os.Getuid() != 0 {
		return errors.New("not run as root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not installed (scripts/setup installs it)", tool)
		}
	}
	return nil
}

// places are all the places but the hub.
func places() []string {
	var all []string
	for i := range maxRedis {
		all = append(all, fmt.Sprint("r", i))
	}
	for i := range maxServers {
		all = append(all, fmt.Sprint("s", i))
	}
	return all
}

// addrOf is the address of a place.
func addrOf(place string) string {
	if place == hubName {
		return hubAddr
	}
	n, _ := strconv.Atoi(place[1:])
	if place[0] == 's' {
		n += 100
	}
	return fmt.Sprint("10.213.0.", 10+n)
}

// Sweep removes what runs of this program have left behind that ended without cleaning
// up: folders, and namespaces of processes that are no more with whatever still runs in them.
func Sweep() {
	sweepDirs()
	entries, err := os.ReadDir("/run/netns")
	if err != nil {
		return
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), netPrefix)
		number, _, ok := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(number)
		if ours && ok && err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			removeNamespace(e.Name())
		}
	}
}

// dirPrefix begins the names of our folders; the number of the process follows.
const dirPrefix = "cuntong-chaos-"

// TempDir makes a folder that Sweep removes when this process is no more.
func TempDir() (string, error) {
	return os.MkdirTemp("", fmt.Sprint(dirPrefix, os.Getpid(), "-"))
}

// sweepDirs removes the folders of processes that are no more.
func sweepDirs() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*")) // the pattern is a good one
	for _, dir := range dirs {
		number, _, ok := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		pid, err := strconv.Atoi(number)
		if ok && err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			os.RemoveAll(dir)
		}
	}
}

// removeNamespace ends what runs in a namespace of ours and removes it.
func removeNamespace(name string) {
	if out, err := exec.Command("ip", "netns", "pids", name).Output(); err == nil {
		for word := range strings.FieldsSeq(string(out)) {
			if pid, err := strconv.Atoi(word); err == nil && pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
			}
		}
	}
	if err := exec.Command("ip", "netns", "del", name).Run(); err != nil {
		_ = os.Remove(filepath.Join("/run/netns", name)) // a name without a namespace
	}
}

// Outside makes the network and runs this program again within its hub, with the same
// arguments and one environment variable more. It returns that run's exit code when
// everything has been removed again.
func Outside(ctx context.Context, variable string) (code int, err error) {
	prefix := netPrefix + strconv.Itoa(os.Getpid())
	defer func() {
		for _, place := range append(places(), hubName) {
			removeNamespace(prefix + "-" + place)
		}
	}()
	if err := makeNet(prefix); err != nil {
		return 1, err
	}
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	cmd := exec.Command("ip", append([]string{"netns", "exec", prefix + "-" + hubName, self}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), variable+"="+prefix)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// A group of its own: Ctrl-C comes to us, and we pass it on once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	run := launch(cmd)
	if run.err != nil {
		return 1, run.err
	}
	select {
	case <-run.ended:
	case <-ctx.Done():
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
		select {
		case <-run.ended:
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			<-run.ended
		}
	}
	return cmd.ProcessState.ExitCode(), nil
}

// makeNet makes the namespaces, the bridge and the links.
func makeNet(prefix string) error {
	hub := prefix + "-" + hubName
	lines := [][]string{
		{"netns", "add", hub},
		{"-n", hub, "link", "set", "lo", "up"},
		{"-n", hub, "link", "add", "br0", "type", "bridge"},
		{"-n", hub, "addr", "add", hubAddr + "/24", "dev", "br0"},
		{"-n", hub, "link", "set", "br0", "up"},
	}
	for _, place := range places() {
		ns := prefix + "-" + place
		lines = append(lines,
			[]string{"netns", "add", ns},
			[]string{"-n", hub, "link", "add", "v-" + place, "type", "veth", "peer", "name", "eth0", "netns", ns},
			[]string{"-n", hub, "link", "set", "v-" + place, "master", "br0", "up"},
			[]string{"-n", ns, "link", "set", "lo", "up"},
			[]string{"-n", ns, "addr", "add", addrOf(place) + "/24", "dev", "eth0"},
			[]string{"-n", ns, "link", "set", "eth0", "up"},
		)
	}
	for _, line := range lines {
		if out, err := exec.Command("ip", line...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(line, " "), err, out)
		}
	}
	return nil
}

// Inside is the network in whose hub this process runs.
func Inside(prefix string) *Net { return &Net{prefix: prefix, cut: map[[2]string]bool{}} }

// exec is the command that runs something at a place; nil without a network.
func (n *Net) exec(place string) []string {
	if n == nil {
		return nil
	}
	return []string{"ip", "netns", "exec", n.prefix + "-" + place}
}

// host is the address of a place.
func (n *Net) host(place string) string {
	if n == nil {
		return "127.0.0.1"
	}
	return addrOf(place)
}

// Block loses everything that goes from any of some places to any of others, or lets
// it pass again.
func (n *Net) Block(from, to []string, lost bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	touched := map[string]bool{}
	for _, a := range from {
		for _, b := range to {
			if a != b {
				n.cut[[2]string{a, b}] = lost
				touched[b] = true
			}
		}
	}
	var errs []error
	for place := range touched {
		errs = append(errs, n.apply(place))
	}
	return errors.Join(errs...)
}

// Heal lets everything pass.
func (n *Net) Heal() error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	touched := map[string]bool{}
	for pair, lost := range n.cut {
		if lost {
			touched[pair[1]] = true
		}
	}
	n.cut = map[[2]string]bool{}
	var errs []error
	for place := range touched {
		errs = append(errs, n.apply(place))
	}
	return errors.Join(errs...)
}

// apply makes a place lose what it is to lose of what comes in.
func (n *Net) apply(place string) error {
	var sources []string
	for pair, lost := range n.cut {
		if lost && pair[1] == place {
			sources = append(sources, addrOf(pair[0]))
		}
	}
	slices.Sort(sources)
	rules := "table inet cut\ndelete table inet cut\n"
	if len(sources) > 0 {
		rules += "table inet cut {\n chain in {\n  type filter hook input priority 0;\n  ip saddr { " + strings.Join(sources, ", ") + " } drop\n }\n}\n"
	}
	words := append(n.exec(place), "nft", "-f", "-")
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft at %s: %w: %s", place, err, out)
	}
	return nil
}
