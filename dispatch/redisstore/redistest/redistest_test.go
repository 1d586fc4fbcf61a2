package redistest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// begin wants a set, and ends it with the test.
func begin(t *testing.T, start func(context.Context) (*Set, error)) *Set {
	t.Helper()
	if err := Missing(); err != nil && os.Getenv("CI") == "" {
		t.Skip("not run: ", err)
	}
	began := time.Now()
	s, err := start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("healthy after %v", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, server := range s.All() {
			if server.PID() != 0 {
				t.Errorf("%s still runs", server.Addr)
			}
		}
		if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the folder %s is still there: %v", s.dir, err)
		}
	})
	return s
}

// set writes a key and returns the error.
func set(t *testing.T, s *Server, key, value string) error {
	t.Helper()
	_, err := s.Do(t.Context(), "set", key, value)
	return err
}

func get(t *testing.T, s *Server, key string) any {
	t.Helper()
	value, err := s.Do(t.Context(), "get", key)
	if err != nil {
		t.Error(err)
	}
	return value
}

func TestAloneComesBackWithItsFiles(t *testing.T) {
	s := begin(t, func(ctx context.Context) (*Set, error) { return Alone(ctx, Options{Password: "right"}) })
	one := s.Data[0]
	if err := set(t, one, "k", "v"); err != nil {
		t.Fatal(err)
	}
	was := one.PID()
	if err := one.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if one.PID() == was || get(t, one, "k") != "v" {
		t.Errorf("process %d, before %d, k is %v", one.PID(), was, get(t, one, "k"))
	}
	one.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := one.Do(ctx, "ping"); err == nil {
		t.Error("a stopped server answers")
	}
	one.Resume()
	if _, err := one.Do(t.Context(), "ping"); err != nil {
		t.Error(err)
	}
	if err := one.Start(t.Context()); err == nil {
		t.Error("it was started twice")
	}
}

func TestReplicasFollowOverTLS(t *testing.T) {
	s := begin(t, func(ctx context.Context) (*Set, error) {
		return Replicated(ctx, Options{TLS: true, Password: "right", Users: []string{"user app on >other ~* +@all"}}, 2)
	})
	if err := set(t, s.Data[0], "k", "v"); err != nil {
		t.Fatal(err)
	}
	client := s.Data[0].Client()
	defer client.Close()
	if n, err := client.Wait(t.Context(), 2, answerWait/2).Result(); n != 2 || err != nil {
		t.Errorf("%d replicas have it, %v", n, err)
	}
	if got := len(s.Replicas(t.Context())); got != 2 || s.Master(t.Context()) != s.Data[0] {
		t.Errorf("%d replicas, master %v", got, s.Master(t.Context()))
	}
}

func TestURL(t *testing.T) {
	s := &Set{scheme: "redis+sentinel", opts: Options{TLS: true, SentinelPassword: "a b", Password: "p@ss"}, Papers: Papers{CA: "/ca", Cert: "/c", Key: "/k"},
		Sentinels: []*Server{{Addr: "10.0.0.1:26379"}, {Addr: "10.0.0.2:26379"}}}
	if got, want := s.URL(), "rediss+sentinel://default:p%40ss@10.0.0.1:26379,10.0.0.2:26379/mymaster?ca=%2Fca&cert=%2Fc&key=%2Fk&sentinel_password=a+b"; got != want {
		t.Errorf("URL is %s, want %s", got, want)
	}
}

// A port belongs to its server also while that does not listen.
func TestNoAddressIsGivenTwice(t *testing.T) {
	given := map[string]bool{}
	for range 2000 {
		addr, err := FreeAddr("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if given[addr] {
			t.Fatalf("%s was given before", addr)
		}
		given[addr] = true
	}
}

func TestSentinelsMakeAnotherMaster(t *testing.T) {
	s := begin(t, func(ctx context.Context) (*Set, error) { return Sentinels(ctx, Options{SentinelPassword: "watch"}) })
	old := s.Master(t.Context())
	if err := set(t, old, "k", "v"); err != nil {
		t.Fatal(err)
	}
	old.Kill()
	began := time.Now()
	if err := until(t.Context(), "another master writes", func() error {
		if now := s.Master(t.Context()); now == nil || now == old || set(t, now, "k2", "v2") != nil {
			return errors.New("not yet")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("another master writes after %v", time.Since(began).Round(time.Millisecond))
	if err := old.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Healthy(t.Context()); err != nil {
		t.Error(err)
	}
	if get(t, old, "k2") != "v2" {
		t.Error("the old master does not follow the new one")
	}
}

func TestClusterMakesAnotherMaster(t *testing.T) {
	s := begin(t, func(ctx context.Context) (*Set, error) { return Cluster(ctx, Options{}, 1) })
	old := s.MasterFor(t.Context(), "{rongjiang}:head")
	if err := set(t, old, "{rongjiang}:head", "v"); err != nil {
		t.Fatal(err)
	}
	old.Kill()
	if err := until(t.Context(), "another master serves the slot", func() error {
		if now := s.MasterFor(t.Context(), "{rongjiang}:head"); now == nil || now == old {
			return errors.New("not yet")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := old.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Healthy(t.Context()); err != nil {
		t.Error(err)
	}
}
