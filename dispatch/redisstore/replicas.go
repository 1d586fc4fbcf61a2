package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// replicaAddrs returns where the replicas of a master are, those that are down
// included where the topology remembers them.
func (s *Store) replicaAddrs(ctx context.Context, master *redis.Client) ([]string, error) {
	switch s.target.topology {
	case sentinel:
		return s.guide.replicas(ctx)
	case cluster:
		return shardReplicas(ctx, master)
	}
	about, err := master.Info(ctx, "replication").Result()
	if isSaid(err) {
		return nil, nil // it says nothing of its replicas; its version was complained of already
	}
	var addrs []string
	for line := range strings.Lines(about) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if !strings.HasPrefix(name, "slave") || !strings.HasPrefix(value, "ip=") {
			continue
		}
		host, port := "", ""
		for part := range strings.SplitSeq(value, ",") {
			switch name, value, _ := strings.Cut(part, "="); name {
			case "ip":
				host = value
			case "port":
				port = value
			}
		}
		addrs = append(addrs, net.JoinHostPort(host, port))
	}
	return addrs, err
}

// shardReplicas asks one master of a cluster for the replicas of its slots.
func shardReplicas(ctx context.Context, master *redis.Client) ([]string, error) {
	id, err := master.ClusterMyID(ctx).Result()
	if err != nil {
		return nil, err
	}
	shards, err := master.ClusterShards(ctx).Result()
	if err != nil {
		return nil, err
	}
	var addrs []string
	for _, shard := range shards {
		if !slices.ContainsFunc(shard.Nodes, func(n redis.Node) bool { return n.ID == id }) {
			continue
		}
		for _, node := range shard.Nodes {
			if node.Role != "master" {
				addrs = append(addrs, net.JoinHostPort(node.IP, fmt.Sprint(max(node.Port, node.TLSPort))))
			}
		}
	}
	return addrs, nil
}

// replicas returns the replicas that Sentinels know of, those that are down too.
func (g *guide) replicas(ctx context.Context) ([]string, error) {
	var errs []error
	for _, s := range g.sentinels {
		list, err := s.Replicas(ctx, g.target.master).Result()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var addrs []string
		for _, about := range list {
			addrs = append(addrs, net.JoinHostPort(about["ip"], about["port"]))
		}
		return addrs, nil
	}
	return nil, errors.Join(errs...)
}

// places complains of Sentinels that do not stand one beside each data node: a
// majority of them could then make a replica the master that no WAIT has reached.
func (g *guide) places(ctx context.Context, v *view, replicas []string) error {
	master, err := g.where(ctx)
	if err != nil {
		return err
	}
	known := map[string]bool{} // addresses of Sentinels, as they name each other
	count := 0
	for i, s := range g.sentinels {
		others, err := s.Sentinels(ctx, g.target.master).Result()
		if err != nil {
			v.note(g.target.seeds[i], "this Sentinel does not answer: %v", err)
			continue
		}
		count = max(count, len(others)+1)
		for _, about := range others {
			known[net.JoinHostPort(about["ip"], about["port"])] = true
		}
	}
	v.beside(append([]string{master}, replicas...), known, count)
	return nil
}

// beside compares the hosts of data nodes and Sentinels. On one host only their
// numbers are compared.
func (v *view) beside(data []string, sentinels map[string]bool, count int) {
	if count != len(data) {
		v.trouble("", "%d Sentinels watch %d data nodes: run exactly one Sentinel beside each data node, and none elsewhere", count, len(data))
		return
	}
	where := map[string]int{}
	for _, addr := range data {
		host, _, _ := net.SplitHostPort(addr)
		where[host]++
	}
	if len(where) == 1 || len(sentinels) < count {
		return // one host; or a single Sentinel answers, and does not name itself
	}
	for addr := range sentinels {
		host, _, _ := net.SplitHostPort(addr)
		if where[host]--; where[host] < 0 {
			v.trouble("", "the Sentinel at %s is not beside a data node of its own: run exactly one Sentinel beside each data node, and none elsewhere", addr)
		}
	}
}
