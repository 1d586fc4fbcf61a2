package redistest

import (
	"context"
	"fmt"
	"net"
)

// What Sentinels are told: a master that does not answer for a second is down, and a
// majority of them must see it so.
const (
	downAfterMillis       = 1000
	failoverTimeoutMillis = 4000
	quorum                = 2
)

// Sentinels starts three data nodes, one of them the master, with a Sentinel beside
// each, and waits until all know each other.
func Sentinels(ctx context.Context, o Options) (*Set, error) {
	s, err := newSet("redis+sentinel", o)
	if err != nil {
		return nil, err
	}
	if err := s.startData(ctx, 2); err != nil {
		return s.begun(err)
	}
	// A Sentinel asks the master for its replicas at once and then every ten seconds.
	if err := until(ctx, "the replicas are in step", func() error { return s.healthyReplicas(ctx) }); err != nil {
		return s.begun(err)
	}
	host, port, err := net.SplitHostPort(s.Data[0].Addr)
	if err != nil {
		return s.begun(err)
	}
	for i := range s.Data {
		if err := s.addSentinel(ctx, i, host, port); err != nil {
			return s.begun(err)
		}
	}
	return s.begun(s.Healthy(ctx))
}

// addSentinel starts one beside data node i.
func (s *Set) addSentinel(ctx context.Context, i int, host, port string) error {
	place := s.place(i)
	server, err := s.newServer(fmt.Sprint("sentinel-", i), place, s.opts.SentinelPassword, func(int) []string {
		lines := []string{
			fmt.Sprintf("sentinel monitor %s %s %s %d", MasterName, host, port, quorum),
			fmt.Sprintf("sentinel down-after-milliseconds %s %d", MasterName, downAfterMillis),
			fmt.Sprintf("sentinel failover-timeout %s %d", MasterName, failoverTimeoutMillis),
			"sentinel announce-ip " + place.Host,
		}
		if s.opts.Password != "" {
			lines = append(lines, fmt.Sprintf("sentinel auth-pass %s %s", MasterName, s.opts.Password))
		}
		if s.opts.SentinelPassword != "" {
			lines = append(lines, "requirepass "+s.opts.SentinelPassword, "sentinel sentinel-pass "+s.opts.SentinelPassword)
		}
		return lines
	})
	if err != nil {
		return err
	}
	server.exec = append(server.exec, "--sentinel")
	s.Sentinels = append(s.Sentinels, server)
	return server.Start(ctx)
}

// healthySentinels wants replicas in step, and Sentinels that agree on the master
// and know all of it.
func (s *Set) healthySentinels(ctx context.Context) error {
	if err := s.healthyReplicas(ctx); err != nil {
		return err
	}
	master := s.Master(ctx)
	if master == nil {
		return fmt.Errorf("there is no master")
	}
	for _, sentinel := range s.Sentinels {
		client := sentinel.Client()
		about, err := client.Do(ctx, "sentinel", "master", MasterName).Slice()
		client.Close()
		if err != nil {
			return fmt.Errorf("sentinel %s: %w", sentinel.Addr, err)
		}
		said := map[string]string{}
		for i := 0; i+1 < len(about); i += 2 {
			said[fmt.Sprint(about[i])] = fmt.Sprint(about[i+1])
		}
		want := map[string]string{"flags": "master", "num-slaves": fmt.Sprint(len(s.Data) - 1), "num-other-sentinels": fmt.Sprint(len(s.Sentinels) - 1)}
		for name, value := range want {
			if said[name] != value {
				return fmt.Errorf("sentinel %s says %s is %s, want %s", sentinel.Addr, name, said[name], value)
			}
		}
		if at := net.JoinHostPort(said["ip"], said["port"]); at != master.Addr {
			return fmt.Errorf("sentinel %s takes %s for the master, and that is %s", sentinel.Addr, at, master.Addr)
		}
	}
	return nil
}
