package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"cuntong/dispatch"
	"cuntong/dispatch/node"
	"cuntong/dispatch/redisstore"
	"cuntong/geo"
	"cuntong/geo/outside"
	"cuntong/hook"
	"cuntong/web"
	"cuntong/ws"
)

// server is everything that serve puts together. Nothing in it runs before run.
type server struct {
	cfg      *serveCmd
	log      *slog.Logger
	std      *std
	county   county
	key      ws.Key
	registry *prometheus.Registry
	store    *redisstore.Store
	issuer   *ws.Issuer // nil: none is configured
	hub      *ws.Hub
	audit    *ws.AuditFile
	node     *node.Node
	hook     *hook.Hook    // nil: there is no gateway
	open     chan struct{} // closed when phones are let in
	ready    *readiness
	cert     *certificate // nil: the public side speaks no TLS
	public   *httpServer
	private  *httpServer

	outside       []*outside.Router // one an area, when the configuration names a server
	outsideEvents *prometheus.CounterVec
}

// Run serves until the context ends, and then stops in order. It returns nil
// after a planned stop.
func (c *serveCmd) Run(std *std) error {
	s := &server{cfg: c, std: std, log: newLog(std.err, c.LogFormat, c.LogLevel)}
	if err := s.build(std.ctx); err != nil {
		s.close()
		return err
	}
	err := s.run(std.ctx)
	s.close()
	s.log.Info("stopped")
	return err
}

// build reads, opens and connects everything, and starts nothing but the store.
func (s *server) build(ctx context.Context) (err error) {
	if s.county, err = s.cfg.county(); err != nil {
		return err
	}
	var made bool
	if s.key, made, err = loadOrMakeKey(s.cfg.SecretFile, s.cfg.DataDir); err != nil {
		return err
	}
	s.warnOfReaders(secretPath(s.cfg.SecretFile, s.cfg.DataDir))
	if made {
		s.log.Info("a new secret for tokens was made; keep it with the data", "file", secretPath(s.cfg.SecretFile, s.cfg.DataDir))
	}
	s.registry = newRegistry()
	password, err := s.redisPassword()
	if err != nil {
		return err
	}
	s.store, err = redisstore.Open(ctx, redisstore.Config{
		Mode:        s.cfg.Redis,
		Password:    password,
		DataDir:     s.cfg.DataDir,
		Node:        s.name(),
		LeaseFor:    s.cfg.Lease,
		Durability:  redisstore.Durability(s.cfg.RedisSync),
		Copies:      s.cfg.RedisCopies,
		AllowUnsafe: s.cfg.AllowUnsafeRedis,
		ArchiveKeep: s.cfg.ArchiveKeep,
		Log:         s.log,
		Registerer:  s.registry,
	})
	if err != nil {
		return err
	}
	if err := s.buildHub(); err != nil {
		return err
	}
	if err := s.buildNode(); err != nil {
		return err
	}
	return s.buildHTTP(ctx)
}

func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "cuntong_build_info",
		Help:        "What this program was built from; the value is always 1.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build)
	return reg
}

// notInNode is what a host's name may hold and a node's may not.
var notInNode = regexp.MustCompile(`[^A-Za-z0-9_.:@-]`)

func (s *server) name() string {
	if s.cfg.Node != "" {
		return s.cfg.Node
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "node"
	}
	host = notInNode.ReplaceAllString(host, "-")
	return host[:min(len(host), dispatch.MaxIDLength)]
}

func (s *server) buildHub() (err error) {
	cfg := ws.DefaultConfig()
	s.cfg.Limits.apply(&cfg)
	if cfg.Auth, err = s.buildAuth(); err != nil {
		return err
	}
	cfg.Receipts = ws.Keys{s.key}
	cfg.Areas = func(id geo.AreaID) (ws.Area, bool) {
		a, ok := s.node.Area(id)
		return nodeArea{a}, ok
	}
	cfg.Gazetteer = s.county.villages
	cfg.Once = s.store.Once
	cfg.Origins = s.cfg.Origins
	cfg.Closed, s.open = true, make(chan struct{})
	cfg.Log, cfg.Registerer, cfg.Now = s.log, s.registry, s.store.Clock().Now
	if s.audit, err = s.openAudit(); err != nil {
		return err
	}
	cfg.Audit = s.audit
	s.hub, err = ws.NewHub(cfg)
	return err
}

// buildAuth returns who judges tokens: the secret, and an issuer where one is configured.
func (s *server) buildAuth() (_ ws.Authenticator, err error) {
	shared := ws.Keys{s.key}
	if s.cfg.OIDCIssuer == "" {
		return shared, nil
	}
	s.issuer, err = ws.NewIssuer(ws.IssuerConfig{Issuer: s.cfg.OIDCIssuer, JWKS: s.cfg.OIDCJWKS, Audience: s.cfg.OIDCAudience,
		ClaimsPrefix: s.cfg.OIDCClaimsPrefix, Log: s.log, Registerer: s.registry})
	return ws.Either{Shared: shared, Issuer: s.issuer}, err
}

func (s *server) openAudit() (*ws.AuditFile, error) {
	path := cmp.Or(s.cfg.AuditFile, filepath.Join(s.cfg.DataDir, "audit.jsonl"))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("audit file: %w", err)
	}
	return ws.OpenAudit(path, s.log)
}

func (s *server) buildHTTP(ctx context.Context) error {
	s.ready = &readiness{check: s.takesPhones}
	page := web.Handler(web.Config{County: s.county.areas[0].Name, Demo: s.cfg.Demo, OperatorToken: s.demoOperator,
		DemoNote: s.cfg.demoNote(), Roads: s.county.drawing()})
	if s.cfg.TLSCert != "" {
		cert, err := loadCertificate(s.cfg.TLSCert, s.cfg.TLSKey, s.log)
		if err != nil {
			return err
		}
		s.warnOfReaders(s.cfg.TLSKey)
		s.cert = cert
	}
	public, err := ws.Listen(ctx, s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("public side: %w", err)
	}
	if s.cert != nil {
		public = tls.NewListener(public, s.cert.config())
	}
	s.public = newHTTPServer(public, publicRoutes(s.hub, s.hub.Tickets(), page, s.ready), s.log)
	s.public.server.ConnState = newDoorstep(s.cfg.Limits.Doorstep, s.registry).changed
	private, err := net.Listen("tcp", s.cfg.PrivateListen)
	if err != nil {
		return fmt.Errorf("private side: %w", err)
	}
	s.private = newHTTPServer(private, privateRoutes(s.registry, s.cfg.Pprof), s.log)
	return nil
}

// run starts everything, waits for the end, and stops in order: the areas are given to
// the other servers, phones are told to come back, then the areas that are still written
// here record what is left and are given up, and last the listeners close. If anything
// ends by itself the rest is stopped too.
func (s *server) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	writing, stopWriting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWriting()
	group.Go(func() error { return s.node.Run(writing) })
	group.Go(s.public.run)
	group.Go(s.private.run)
	if s.cert != nil {
		group.Go(func() error { return s.cert.watch(ctx) })
	}
	if s.hook != nil {
		group.Go(func() error { return s.hook.Run(writing) })
	}
	if s.cfg.Demo {
		group.Go(func() error { return s.runDemo(ctx) })
	}
	s.welcome()
	group.Go(func() error { return s.letIn(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		return s.stop(stopWriting)
	})
	return s.await(ctx, group)
}

// openAfter is how long phones are kept waiting at the door, at most, for areas that have no
// writer yet: with a store that is away they are told so inside.
const openAfter = 10 * time.Second

// letIn opens the hub once commands are taken: after a restart all phones are there at once,
// and letting them in would take the time that taking the areas needs.
func (s *server) letIn(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, openAfter)
	defer cancel()
	_ = succeed(soon, s.node.Ready) // in vain: it is opened all the same
	s.hub.Open()
	close(s.open)
	return nil
}

// takesPhones says why the server is not ready; nil: phones are let in, and commands taken.
func (s *server) takesPhones() error {
	select {
	case <-s.open:
		return s.node.Ready()
	default:
		return errors.New("it starts, and lets nobody in yet")
	}
}

// succeed waits until there is no error any more.
func succeed(ctx context.Context, check func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for check() != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// overdueAfter is how much longer than a planned stop may take everything may take to end.
const overdueAfter = 10 * time.Second

// await waits until everything has ended; after a planned stop not for ever, so that
// something that hangs does not keep the process from being started again.
func (s *server) await(ctx context.Context, group *errgroup.Group) error {
	ended := make(chan error, 1)
	go func() { ended <- group.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(s.cfg.DrainFor + overdueAfter):
		return errors.New("something did not end in time and is abandoned; what anybody was told is in the journal")
	}
}

// stop ends a run in order. Half of the time is for giving the areas away: they go
// first, so that the phones' last commands are taken by who writes from now on.
func (s *server) stop(stopWriting context.CancelFunc) error {
	s.log.Info("stopping: the areas are given away, then connections are told to come back later")
	begin := time.Now()
	s.ready.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainFor)
	defer cancel()
	s.handOver(ctx)
	if err := s.hub.Drain(ctx, (s.cfg.DrainFor-time.Since(begin))/2); err != nil {
		s.log.Warn("some connections did not go in time", "err", err)
	}
	stopWriting()
	errs := []error{s.public.stop(ctx), s.private.stop(ctx)}
	s.log.Info("connections are closed", "took", time.Since(begin).Round(time.Millisecond).String())
	return errors.Join(errs...)
}

// close ends what build has opened, whatever became of it.
func (s *server) close() {
	if s.hub != nil {
		s.hub.Close()
	}
	if s.issuer != nil {
		s.issuer.Close()
	}
	if s.audit != nil { // after the hub, which ends the records of its connections
		if err := s.audit.Close(); err != nil {
			s.log.Warn("closing the audit file", "err", err)
		}
	}
	for _, side := range []*httpServer{s.public, s.private} {
		if side != nil {
			side.listener.Close()
		}
	}
	for _, router := range s.outside {
		router.Close()
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.log.Warn("closing the store", "err", err)
		}
	}
}

// scheme is how the public side is spoken to.
func (s *server) scheme() string {
	if s.cert != nil {
		return "https"
	}
	return "http"
}

// welcome says where everything is.
func (s *server) welcome() {
	host := s.public.listener.Addr().String()
	s.log.Info("serving", "public", s.scheme()+"://"+host, "private", "http://"+s.private.listener.Addr().String(),
		"areas", len(s.county.areas), "villages", s.county.villages.Len(), "store", s.store.Kind(), "durable", s.store.Durable())
	if s.cfg.Demo {
		fmt.Fprint(s.std.out, s.demoWelcome(host))
	}
}
