package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"cuntong/dispatch"
	"cuntong/hook"
	"cuntong/ws"
)

// serveCmd is the configuration of the server: every field a flag and an
// environment variable, its help the manual. The table in README.md is made
// from it.
type serveCmd struct {
	Listen        string `default:"127.0.0.1:8080" help:"Address of the public side: /ws, /, /healthz, /readyz."`
	PrivateListen string `default:"127.0.0.1:8081" help:"Address of the private side: /metrics, and profiles with --pprof. Keep it on loopback or a closed network."`
	Pprof         bool   `help:"Serve profiles under /debug/pprof/ on the private side."`

	TLSCert string `name:"tls-cert" type:"path" help:"Certificate of the public side (PEM, with those between it and its authority): it then speaks TLS 1.2 and later only. Read again when it changes. Goes with --tls-key."`
	TLSKey  string `name:"tls-key" type:"path" help:"Private key of that certificate (PEM)."`

	Redis             string `default:"auto" help:"Where facts are kept: an address that begins with redis://, rediss:// (TLS), unix://, redis+sentinel:// or redis+cluster:// (see docs/OPERATING.md); 'child' starts redis-server from PATH with its files in the data folder; 'embedded' keeps nothing; 'auto' is 'child' where redis-server is found, else 'embedded'."`
	RedisPasswordFile string `type:"path" help:"File with the password for --redis, in the place of one in the address: an address is seen by everybody who may list the machine's processes. It is read for each new connection, so the password may change."`
	RedisSync         string `default:"always" enum:"always,everysec" help:"When a child redis-server writes to disk: 'always' before every answer, 'everysec' once a second (up to 2 s of answers are lost with the power)."`

	AllowUnsafeRedis bool          `help:"Serve although the settings of a given Redis let trips be lost that people were told of. What is wrong is logged, and cuntong_store_ledger_unsafe is 1."`
	RedisCopies      int           `default:"0" help:"Replicas that must have a change on their disks before it is acknowledged. 0: by topology, so that a majority of the copies has it; -1: none."`
	ArchiveKeep      time.Duration `default:"0s" help:"How long finished trips stay in the archive, by the clock of Redis (two years: 17520h). 0: for ever."`

	DataDir string `default:"data" type:"path" help:"Folder of the child redis-server's files and of the secret."`
	Node    string `help:"Name of this server among those on one Redis. A new process of the same name takes over at once. Default: the host's name."`

	Lease time.Duration `default:"2s" help:"How long this server's right to write an area runs without renewal: another server takes a dead one's areas when it is over. 500ms to 1m."`

	SecretFile       string `type:"path" help:"File with the secret (32 bytes or more) that tokens are signed with (HS256). Default: 'secret' in the data folder, made when missing."`
	OIDCIssuer       string `name:"oidc-issuer" help:"An OpenID Connect provider whose tokens are taken beside those signed with the secret: what their iss must be. Goes with --oidc-jwks and --oidc-audience."`
	OIDCJWKS         string `name:"oidc-jwks" help:"Address of that provider's public keys (JWKS): https, or http on this machine."`
	OIDCAudience     string `name:"oidc-audience" help:"What aud of that provider's tokens must be or contain."`
	OIDCClaimsPrefix string `name:"oidc-claims-prefix" help:"What stands before the names of our claims (role, area, vehicle, ...) in that provider's tokens, such as https://example.org/."`

	AuditFile string `type:"path" help:"File to which it is appended who looked at whose position, one JSON object a line. Default: 'audit.jsonl' in the data folder."`
	Areas     string `type:"existingfile" help:"GeoJSON file of service areas (features with id, name and a polygon). Default: one area without a border, named by --area."`
	Area      string `default:"county" help:"Id of the one area when --areas is not given."`
	Villages  string `type:"existingfile" help:"Villages and their pickup points: a CSV or GeoJSON file. Without it only coordinates can be booked."`
	Roads     string `type:"existingfile" help:"Roads, as 'import roads' writes them. Without them drives are estimated by straight line; a demo generates its own."`

	OSRM           string        `name:"osrm" xor:"outside" help:"Address of an OSRM server whose drives correct the built-in ones, such as http://127.0.0.1:5000. Nothing waits for it; without an answer the built-in one stands."`
	Valhalla       string        `xor:"outside" help:"The same for a Valhalla server."`
	RouterTimeout  time.Duration `default:"2s" help:"How long an OSRM or Valhalla server may take. 10ms to 1m."`
	Datum          string        `default:"wgs84" enum:"wgs84,gcj02,bd09" help:"Datum of the coordinates in --areas and --villages."`
	Origins        []string      `help:"Web origins whose pages may connect, besides this server's own."`
	HookURL        string        `name:"hook-url" help:"Address of the county's SMS or push gateway: what is told to parties who are connected nowhere, and to travellers who have only a telephone, is posted there (docs/OPERATING.md). https, or http on this machine."`
	HookSecretFile string        `type:"path" help:"File with the secret that signs what is posted to --hook-url: whsec_ and base64 of 24 to 64 bytes."`

	DrainFor time.Duration `default:"10s" help:"How long a planned stop may take to give the areas to other servers and to tell everybody to come back. 1s to 5m."`

	LogFormat string `default:"auto" enum:"auto,json,text" help:"'auto' is text on a terminal, else JSON."`
	LogLevel  string `default:"info" enum:"debug,info,warn,error" help:"The least that is logged."`

	Demo        bool    `help:"Serve a demo county with simulated drivers and riders. Nothing in it is real but the places, and the roads if --roads is given."`
	DemoDrivers int     `default:"120" help:"Simulated drivers of the demo. 1 to 5000."`
	DemoSpeed   float64 `default:"120" help:"How many times faster than life the demo's vehicles move. 1 to 600."`
	DemoSeed    uint64  `default:"1" help:"Seed of the demo: the same seed asks for the same trips."`

	Rules  rulesFlags `embed:""`
	Limits limitFlags `embed:""`
}

// rulesFlags are [dispatch.Rules] as flags.
type rulesFlags struct {
	OfferWait       time.Duration `default:"20s" help:"How long a driver has to answer an offer. 5s to 5m."`
	ConfirmWait     time.Duration `default:"5s" help:"How long the word that an offer has reached its driver's phone may take on a quick link; then the next driver is asked. A slow link has its measured round trip more, up to 25s, and up to 5s for what varies. 2s to 15s."`
	Patience        time.Duration `default:"30m" help:"How long a trip waits for a driver before it ends unserved. 1m to 24h."`
	FreshFor        time.Duration `default:"30s" help:"How long a position counts; a driver not heard of for longer is not matched. 5s to 10m."`
	Reach           time.Duration `default:"1h" help:"The longest drive to a pickup that a driver is asked for. 1m to 12h."`
	Window          time.Duration `default:"2s" help:"How long a trip that competes with others for the same drivers waits after it was asked for, so that they are judged together. 0 to 10s."`
	BusyWithin      time.Duration `default:"20m" help:"How soon a driver with a trip must be expected to be free to be waited for. 0 to 2h; 0: only free drivers count."`
	StopTime        time.Duration `default:"1m" help:"How long a party is expected to take to get on or off. 0 to 30m."`
	AgeBonus        float64       `default:"0.5" help:"How many seconds of driving a second of waiting outweighs when not all can be served. 0 to 10."`
	MaxRide         time.Duration `default:"6h" help:"The longest ride that can be booked, by the estimate for a car. 1m to 48h."`
	DutySilence     time.Duration `default:"12h" help:"How long a driver may be on duty without a word while he has no trip; then his duty ends. 1m to 168h."`
	LapseRest       time.Duration `default:"2m" help:"How long a driver who let an offer lapse is left alone about that trip. 0 to 24h."`
	PickupGrace     time.Duration `default:"20m" help:"How much later than expected a driver may arrive before the trip is overdue. 1m to 24h."`
	FreeWait        time.Duration `default:"5m" help:"How long a driver waits at the pickup before he may report a no-show. 0 to 2h."`
	RideGrace       time.Duration `default:"1h" help:"How much longer than expected a ride may take before it is overdue. 1m to 24h."`
	OverdueLimit    int           `default:"3" help:"How many times an assigned trip may be overdue before it is taken from its driver. 1 to 100."`
	StartCode       string        `default:"off" enum:"off,app,all" help:"For which trips the party tells the driver a start code of four digits: 'app' for those booked by app, 'all' for all."`
	StartCodeFrom   int           `default:"0" help:"Only parties that are to be fetched from this minute of the day on need a start code; with the same minute in --start-code-until all do. 0 to 1439."`
	StartCodeUntil  int           `default:"0" help:"Until when they do, such as 360 with 1320 for the night. 0 to 1439."`
	StartCodeZone   int           `default:"480" help:"How many minutes the clock of those hours is ahead of UTC. -720 to 840."`
	DoubtfulWait    time.Duration `default:"2m" help:"How much later than expected a driver whose positions are doubted counts in matching. 0 to 1h."`
	PoorWait        time.Duration `default:"10m" help:"The same of one whose positions are doubted much. At least --doubtful-wait, to 1h."`
	FastestKMH      int           `name:"fastest-kmh" default:"200" help:"What nothing drives, in km/h: positions further apart than that are doubted. 0: positions are not weighed at all. 0 to 2000."`
	PassengerOrders int           `default:"20" help:"Orders an hour a passenger may give, as many at once. 0: no limit."`
	DeviceOrders    int           `default:"40" help:"Orders an hour passengers may give from one phone. 0: no limit."`
	AgentOrders     int           `default:"600" help:"Orders an hour a village agent may give. 0: no limit."`
	CellUnknown     int           `default:"150" help:"Open trips from one place, about 5 km2, of passengers who have not ridden of late; beyond, one a minute. 0: no limit."`
	OpenTrips       int           `default:"20000" help:"Open trips of an area; beyond, requests are refused."`
	PassengerTrips  int           `default:"2" help:"Open trips a passenger may have booked."`
	AgentTrips      int           `default:"200" help:"Open trips a village agent may have booked."`
	Drivers         int           `default:"100000" help:"Drivers on duty in an area."`
	KeepEnded       int           `default:"2000" help:"Ended trips kept in memory for late and repeated commands."`
	KeepCommands    int           `default:"20000" help:"Answered commands kept in memory for repeats."`
	SnapshotEvery   int           `default:"10000" help:"Facts after which a snapshot is saved and the journal trimmed. 100 to 1000000."`
}

// rules are the rules of the county. A demo's few people order all day and drive faster
// than life: what is for liars is off there.
func (c *serveCmd) rules() dispatch.Rules {
	rules := c.Rules.rules()
	if c.Demo {
		rules.FastestKMH, rules.PassengerOrders, rules.DeviceOrders, rules.AgentOrders, rules.CellUnknown = 0, 0, 0, 0, 0
	}
	return rules
}

func (f rulesFlags) rules() dispatch.Rules {
	return dispatch.Rules{
		OfferWait: f.OfferWait, ConfirmWait: f.ConfirmWait, Patience: f.Patience, FreshFor: f.FreshFor, Reach: f.Reach, Window: f.Window, BusyWithin: f.BusyWithin, StopTime: f.StopTime, AgeBonus: f.AgeBonus, MaxRide: f.MaxRide, DutySilence: f.DutySilence, LapseRest: f.LapseRest,
		PickupGrace: f.PickupGrace, FreeWait: f.FreeWait, RideGrace: f.RideGrace, OverdueLimit: f.OverdueLimit,
		StartCode: dispatch.StartCodeRule(f.StartCode), StartCodeFrom: f.StartCodeFrom, StartCodeUntil: f.StartCodeUntil, StartCodeZone: f.StartCodeZone,
		FastestKMH: f.FastestKMH, DoubtfulWait: f.DoubtfulWait, PoorWait: f.PoorWait,
		PassengerOrders: f.PassengerOrders, DeviceOrders: f.DeviceOrders, AgentOrders: f.AgentOrders, CellUnknown: f.CellUnknown,
		MaxOpenTrips: f.OpenTrips, MaxOpenPerPassenger: f.PassengerTrips, MaxOpenPerAgent: f.AgentTrips,
		MaxDrivers: f.Drivers, KeepEnded: f.KeepEnded, KeepCommands: f.KeepCommands,
	}
}

// limitFlags are the limits of connections as flags.
type limitFlags struct {
	Connections    int           `default:"50000" help:"Connections at once; beyond, upgrades are answered with 503."`
	Handshakes     int           `default:"2000" help:"Upgrades a second that are let in, in the long run. Beyond, they are answered with 503 and a time to come again, each its own."`
	HandshakeBurst int           `default:"4000" help:"Upgrades that are let in at once."`
	Greeting       int           `default:"10000" help:"Connections that have not said hello yet; beyond, upgrades are answered with 503."`
	Doorstep       int           `default:"8192" help:"Sockets that are no WebSockets yet: in the TLS handshake, sending a header, fetching the page. Beyond, the one with which nothing has happened for the longest is closed. 64 to 1000000."`
	FramesPerSec   int           `default:"20" help:"Frames a second a connection may send in the long run."`
	FrameBurst     int           `default:"60" help:"Frames a connection may send at once."`
	PingEvery      time.Duration `default:"25s" help:"How long nothing may be heard of a client with an open trip, or of an operator, before it is pinged. It holds for everybody at first."`
	SilentAfter    time.Duration `default:"60s" help:"Such a connection is closed when it has not been heard of for so long."`
	DutyPing       time.Duration `default:"4s" help:"The same as --ping-every for drivers on duty, whose positions count."`
	DutySilent     time.Duration `default:"11s" help:"The same as --silent-after for drivers on duty; they are not matched from then on."`
	ParkedPing     time.Duration `default:"4m" help:"The same as --ping-every for phones on which nothing is going on."`
	ParkedSilent   time.Duration `default:"9m" help:"The same as --silent-after for phones on which nothing is going on."`
}

func (f limitFlags) apply(c *ws.Config) {
	c.MaxConnections, c.FramesPerSecond, c.FrameBurst = f.Connections, f.FramesPerSec, f.FrameBurst
	c.HandshakesPerSecond, c.HandshakeBurst, c.MaxGreeting = f.Handshakes, f.HandshakeBurst, f.Greeting
	c.PingEvery, c.SilentAfter = f.PingEvery, f.SilentAfter
	c.DutyPing, c.DutySilent = f.DutyPing, f.DutySilent
	c.ParkedPing, c.ParkedSilent = f.ParkedPing, f.ParkedSilent
}

// Validate says what is wrong with the configuration, all at once. It is called
// by the parser, after the flags and the environment have been read.
func (c *serveCmd) Validate() error {
	var errs []error
	if c.DrainFor < time.Second || c.DrainFor > 5*time.Minute {
		errs = append(errs, fmt.Errorf("--drain-for is %v: want 1s to 5m", c.DrainFor))
	}
	if (c.HookURL == "") != (c.HookSecretFile == "") {
		errs = append(errs, errors.New("--hook-url and --hook-secret-file go together"))
	}
	if c.HookURL != "" {
		errs = append(errs, hook.CheckURL(c.HookURL))
	}
	if c.RedisPasswordFile != "" && !strings.Contains(c.Redis, "://") {
		errs = append(errs, fmt.Errorf("--redis-password-file goes with the address of a server, and --redis is %q: say --redis redis://user@host:6379", c.Redis))
	}
	if c.Lease < 500*time.Millisecond || c.Lease > time.Minute {
		errs = append(errs, fmt.Errorf("--lease is %v: want 500ms to 1m", c.Lease))
	}
	if some, all := c.OIDCIssuer+c.OIDCJWKS+c.OIDCAudience != "", c.OIDCIssuer != "" && c.OIDCJWKS != "" && c.OIDCAudience != ""; some != all {
		errs = append(errs, errors.New("--oidc-issuer, --oidc-jwks and --oidc-audience go together"))
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		errs = append(errs, errors.New("--tls-cert and --tls-key go together"))
	}
	if c.Demo && c.TLSCert != "" {
		errs = append(errs, errors.New("--demo and --tls-cert do not go together: the demo's people would not know the certificate"))
	}
	if c.DemoDrivers < 1 || c.DemoDrivers > 5000 {
		errs = append(errs, fmt.Errorf("--demo-drivers is %d: want 1 to 5000", c.DemoDrivers))
	}
	if !(c.DemoSpeed >= 1 && c.DemoSpeed <= 600) {
		errs = append(errs, fmt.Errorf("--demo-speed is %v: want 1 to 600", c.DemoSpeed))
	}
	if c.Limits.Doorstep < 64 || c.Limits.Doorstep > 1_000_000 {
		errs = append(errs, fmt.Errorf("--doorstep is %d: want 64 to 1000000", c.Limits.Doorstep))
	}
	if c.Rules.SnapshotEvery < 100 || c.Rules.SnapshotEvery > 1_000_000 {
		errs = append(errs, fmt.Errorf("--snapshot-every is %d: want 100 to 1000000", c.Rules.SnapshotEvery))
	}
	return errors.Join(append(errs, c.Rules.rules().Validate())...)
}
