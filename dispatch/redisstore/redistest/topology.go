package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Alone starts one server without replicas.
func Alone(ctx context.Context, o Options) (*Set, error) { return Replicated(ctx, o, 0) }

// Replicated starts a master and its replicas, with nobody who would make a replica
// the master, and waits until they are in step.
func Replicated(ctx context.Context, o Options, replicas int) (*Set, error) {
	s, err := newSet("redis", o)
	if err != nil {
		return nil, err
	}
	if err := s.startData(ctx, replicas); err != nil {
		return s.begun(err)
	}
	return s.begun(s.Healthy(ctx))
}

// startData starts a master and replicas.
func (s *Set) startData(ctx context.Context, replicas int) error {
	for i := range 1 + replicas {
		var more []string
		if i > 0 {
			host, port, err := net.SplitHostPort(s.Data[0].Addr)
			if err != nil {
				return err
			}
			more = append(more, "replicaof "+host+" "+port)
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
	}
	return nil
}

// guarded is what a data node with replicas is set to: it refuses to write when no
// replica has been heard of for two seconds.
var guarded = []string{"min-replicas-to-write 1", "min-replicas-max-lag 2"}

// addData configures a data node.
func (s *Set) addData(i int, more []string) (*Server, error) {
	place := s.place(i)
	name := fmt.Sprint("data-", i)
	server, err := s.newServer(name, place, s.opts.Password, func(int) []string {
		lines := []string{
			"appendonly yes", "appendfsync always", "save \"\"", "maxmemory-policy noeviction",
			"repl-diskless-sync-delay 0", "repl-ping-replica-period 1", "repl-timeout 10", "repl-backlog-size 32mb",
			"replica-announce-ip " + place.Host,
		}
		lines = append(lines, more...)
		if s.opts.Password != "" {
			lines = append(lines, "masterauth "+s.opts.Password)
		}
		if len(s.opts.Users) > 0 {
			lines = append(lines, "aclfile "+filepath.Join(s.dir, name, "users.acl"))
		} else if s.opts.Password != "" {
			lines = append(lines, "requirepass "+s.opts.Password)
		}
		return append(lines, s.opts.Settings...)
	})
	if err != nil {
		return nil, err
	}
	s.Data = append(s.Data, server)
	return server, s.writeUsers(server.Dir)
}

// writeUsers writes the ACL file, where there are users.
func (s *Set) writeUsers(dir string) error {
	if len(s.opts.Users) == 0 {
		return nil
	}
	secret := "nopass"
	if s.opts.Password != "" {
		secret = ">" + s.opts.Password
	}
	lines := append([]string{"user default on " + secret + " ~* &* +@all"}, s.opts.Users...)
	return os.WriteFile(filepath.Join(dir, "users.acl"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// Master returns the data node that calls itself master and has the most replicas,
// nil when there is none. In a Cluster use [Set.MasterFor].
func (s *Set) Master(ctx context.Context) *Server {
	var found *Server
	most := -1
	for _, server := range s.Data {
		about, err := server.info(ctx, "replication")
		if n := online(about); err == nil && about["role"] == "master" && n > most {
			found, most = server, n
		}
	}
	return found
}

// Replicas returns the data nodes that call themselves replicas.
func (s *Set) Replicas(ctx context.Context) []*Server {
	var found []*Server
	for _, server := range s.Data {
		if about, err := server.info(ctx, "replication"); err == nil && about["role"] == "slave" {
			found = append(found, server)
		}
	}
	return found
}

// online counts the replicas that a master has in step.
func online(about map[string]string) int {
	n := 0
	for name, value := range about {
		if strings.HasPrefix(name, "slave") && strings.Contains(value, "state=online") {
			n++
		}
	}
	return n
}

// healthyReplicas wants one master with every other data node in step.
func (s *Set) healthyReplicas(ctx context.Context) error {
	masters := 0
	for _, server := range s.Data {
		about, err := server.info(ctx, "replication")
		if err != nil {
			return err
		}
		if about["role"] == "slave" {
			if about["master_link_status"] != "up" {
				return fmt.Errorf("%s has no link to its master", server.Addr)
			}
			continue
		}
		masters++
		if n := online(about); n != len(s.Data)-1 {
			return fmt.Errorf("%s has %d replicas in step, want %d", server.Addr, n, len(s.Data)-1)
		}
	}
	if masters != 1 {
		return fmt.Errorf("%d masters, want 1", masters)
	}
	return nil
}
