package redistest

import (
	"context"
	"fmt"
	"net"
	"strings"
)

const (
	// clusterMasters is how many masters share the slots.
	clusterMasters = 3
	clusterSlots   = 16384
	// nodeTimeoutMillis is after how long a node of a Cluster is taken for gone.
	nodeTimeoutMillis = 2000
)

// Cluster starts three masters that share the slots, each with the given number of
// replicas, and waits until all slots are served. With one replica a master the loss
// of either leaves writes to its slots waiting, as the ledger wants two copies; with
// two it does not.
func Cluster(ctx context.Context, o Options, replicas int) (*Set, error) {
	s, err := newSet("redis+cluster", o)
	if err != nil {
		return nil, err
	}
	return s.begun(s.startCluster(ctx, replicas))
}

// startCluster starts the nodes and joins them.
func (s *Set) startCluster(ctx context.Context, replicas int) error {
	var buses []int
	for i := range clusterMasters * (1 + replicas) {
		bus, err := freePort(s.place(i).Host)
		if err != nil {
			return err
		}
		more := []string{
			"cluster-enabled yes", fmt.Sprint("cluster-port ", bus), fmt.Sprint("cluster-node-timeout ", nodeTimeoutMillis),
			"cluster-announce-ip " + s.place(i).Host, "cluster-require-full-coverage no", "cluster-allow-replica-migration no", "cluster-replica-validity-factor 10",
		}
		if s.opts.TLS {
			more = append(more, "tls-cluster yes")
		}
		if replicas > 0 {
			more = append(more, guarded...)
		}
		server, err := s.addData(i, more)
		if err != nil {
			return err
		}
		if err := server.Start(ctx); err != nil {
			return err
		}
		buses = append(buses, bus)
	}
	if err := s.deal(ctx); err != nil {
		return err
	}
	if err := s.meet(ctx, buses); err != nil {
		return err
	}
	if err := s.follow(ctx); err != nil {
		return err
	}
	return s.Healthy(ctx)
}

// deal gives each master its slots, and each node an epoch of its own.
func (s *Set) deal(ctx context.Context) error {
	for i, server := range s.Data {
		if _, err := server.Do(ctx, "cluster", "set-config-epoch", i+1); err != nil {
			return err
		}
		if i >= clusterMasters {
			continue
		}
		from, to := i*clusterSlots/clusterMasters, (i+1)*clusterSlots/clusterMasters-1
		if _, err := server.Do(ctx, "cluster", "addslotsrange", from, to); err != nil {
			return err
		}
	}
	return nil
}

// meet makes the nodes know each other.
func (s *Set) meet(ctx context.Context, buses []int) error {
	for i, server := range s.Data[1:] {
		host, port, err := net.SplitHostPort(server.Addr)
		if err != nil {
			return err
		}
		if _, err := s.Data[0].Do(ctx, "cluster", "meet", host, port, buses[i+1]); err != nil {
			return err
		}
	}
	return until(ctx, "the nodes know each other", func() error {
		for _, server := range s.Data {
			nodes, err := server.Do(ctx, "cluster", "nodes")
			if err != nil {
				return err
			}
			text := fmt.Sprint(nodes)
			if n := strings.Count(text, " connected"); n != len(s.Data) || strings.Contains(text, "handshake") {
				return fmt.Errorf("%s knows %d nodes", server.Addr, n)
			}
		}
		return nil
	})
}

// follow makes the nodes without slots replicas of the masters in turn.
func (s *Set) follow(ctx context.Context) error {
	for i, server := range s.Data[clusterMasters:] {
		id, err := s.Data[i%clusterMasters].Do(ctx, "cluster", "myid")
		if err != nil {
			return err
		}
		if err := until(ctx, "a replica knows its master", func() error {
			_, err := server.Do(ctx, "cluster", "replicate", id)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// healthyCluster wants every node to call the cluster whole, and every replica in step.
func (s *Set) healthyCluster(ctx context.Context) error {
	wanted, following := 0, 0
	for _, server := range s.Data {
		text, err := server.Do(ctx, "cluster", "info")
		if err != nil {
			return err
		}
		about := fields(fmt.Sprint(text))
		for name, want := range map[string]string{
			"cluster_state": "ok", "cluster_slots_ok": fmt.Sprint(clusterSlots), "cluster_known_nodes": fmt.Sprint(len(s.Data)), "cluster_size": fmt.Sprint(clusterMasters),
		} {
			if about[name] != want {
				return fmt.Errorf("%s says %s is %s, want %s", server.Addr, name, about[name], want)
			}
		}
		replication, err := server.info(ctx, "replication")
		if err != nil {
			return err
		}
		if replication["role"] == "slave" {
			wanted++
			if replication["master_link_status"] != "up" {
				return fmt.Errorf("%s has no link to its master", server.Addr)
			}
			continue
		}
		following += online(replication)
	}
	if want := len(s.Data) - clusterMasters; wanted != want || following != want {
		return fmt.Errorf("%d replicas, %d in step, want %d", wanted, following, want)
	}
	return nil
}

// MasterFor returns the node of a Cluster that serves the slot of a key now, as a
// majority of the nodes that answer sees it; nil when there is none.
func (s *Set) MasterFor(ctx context.Context, key string) *Server {
	votes := map[string]int{}
	for _, server := range s.Data {
		if server.PID() == 0 {
			continue
		}
		if addr, err := server.serving(ctx, key); err == nil {
			votes[addr]++
		}
	}
	for _, server := range s.Data {
		if 2*votes[server.Addr] > len(s.Data) {
			return server
		}
	}
	return nil
}

// serving asks a node who serves the slot of a key.
func (s *Server) serving(ctx context.Context, key string) (string, error) {
	client := s.Client()
	defer client.Close()
	slot, err := client.ClusterKeySlot(ctx, key).Result()
	if err != nil {
		return "", err
	}
	shards, err := client.ClusterShards(ctx).Result()
	if err != nil {
		return "", err
	}
	for _, shard := range shards {
		for _, r := range shard.Slots {
			if slot < r.Start || slot > r.End {
				continue
			}
			for _, node := range shard.Nodes {
				if node.Role == "master" {
					return net.JoinHostPort(node.IP, fmt.Sprint(max(node.Port, node.TLSPort))), nil
				}
			}
		}
	}
	return "", fmt.Errorf("slot %d is not served", slot)
}
