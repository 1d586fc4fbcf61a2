package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Limits of the connections. They are set here, all of them, because the
// library's own change from version to version.
const (
	dialTimeout = 500 * time.Millisecond
	// callTimeout bounds one command: writing, the server's fsync, and the answer.
	callTimeout = 800 * time.Millisecond
	// bulkTimeout bounds reading or writing a snapshot and a page of the journal.
	bulkTimeout = 3 * time.Second
	// poolWait is how long a call waits for a connection when all are busy.
	poolWait = 300 * time.Millisecond
	// idleLimit closes a connection nobody used, before servers and firewalls do.
	idleLimit = 5 * time.Minute

	// ledgerConns suffice for every area of a province appending at once.
	ledgerConns = 64
	// mirrorConns keep positions from taking the ledger's turn.
	mirrorConns = 16

	// clusterRedirects bounds how often the cluster client follows a redirection.
	clusterRedirects = 3
	// clusterReload is how old the picture of a cluster may get when nobody complains.
	clusterReload = 5 * time.Second
)

// credentials are asked for each new connection; nil: they are those of the address.
func (t target) credentials() func(context.Context) (username, password string, err error) {
	if t.ask == nil {
		return nil
	}
	return func(context.Context) (string, string, error) {
		password, err := t.ask()
		return t.username, password, err
	}
}

// options are those of at most conns connections to one server.
func (t target) options(conns int) *redis.Options {
	return &redis.Options{
		CredentialsProviderContext: t.credentials(),

		Network:   t.network,
		Addr:      t.addr,
		Username:  t.username,
		Password:  t.password,
		DB:        t.db,
		TLSConfig: t.tls,
		Protocol:  2, // push messages have no use here

		// The library repeats commands on its own; what is repeated, and counted, is
		// decided in script.go.
		MaxRetries:            -1,
		DialerRetries:         1,
		ContextTimeoutEnabled: true,
		DialTimeout:           dialTimeout + t.patience,
		ReadTimeout:           callTimeout + t.patience,
		WriteTimeout:          callTimeout + t.patience,

		PoolSize:         conns,
		MaxActiveConns:   conns,
		PoolTimeout:      poolWait + t.patience,
		PipelinePoolSize: -1,
		ConnMaxIdleTime:  idleLimit,

		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// client returns at most conns connections to a single server. It dials when it
// is first used.
func (t target) client(conns int) *redis.Client { return redis.NewClient(t.options(conns)) }

// clusterClient returns at most conns connections to each node of a cluster. What
// it sends by itself it may repeat; the ledger sends by the nodes it names.
func (t target) clusterClient(conns int) *redis.ClusterClient {
	o := t.options(conns)
	return redis.NewClusterClient(&redis.ClusterOptions{
		CredentialsProviderContext: t.credentials(),

		Addrs:     t.seeds,
		Username:  o.Username,
		Password:  o.Password,
		TLSConfig: o.TLSConfig,
		Protocol:  o.Protocol,

		MaxRetries:            o.MaxRetries,
		MaxRedirects:          clusterRedirects,
		DialerRetries:         o.DialerRetries,
		ContextTimeoutEnabled: o.ContextTimeoutEnabled,
		DialTimeout:           o.DialTimeout,
		ReadTimeout:           o.ReadTimeout,
		WriteTimeout:          o.WriteTimeout,

		PoolSize:         o.PoolSize,
		MaxActiveConns:   o.MaxActiveConns,
		PoolTimeout:      o.PoolTimeout,
		PipelinePoolSize: o.PipelinePoolSize,
		ConnMaxIdleTime:  o.ConnMaxIdleTime,

		FailingTimeoutSeconds:      1,
		ClusterStateReloadInterval: clusterReload,

		DisableIdentity:          o.DisableIdentity,
		MaintNotificationsConfig: o.MaintNotificationsConfig,
	})
}

// dial opens a connection to a server of the deployment.
func (t target) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout + t.patience}
	if t.tls == nil {
		return dialer.DialContext(ctx, network, addr)
	}
	return (&tls.Dialer{NetDialer: &dialer, Config: t.tls}).DialContext(ctx, network, addr)
}

// The reasons of errors, as metrics name them.
const (
	reasonTimeout  = "timeout"
	reasonNetwork  = "network"
	reasonMismatch = "mismatch"
	reasonMemory   = "out_of_memory"
	reasonReadOnly = "read_only"
	reasonLoading  = "loading"
	reasonMoved    = "moved"
	reasonPending  = "pending"
	reasonDenied   = "denied"
	reasonServer   = "server"
	reasonCanceled = "canceled"
)

// errMismatch: the reply is not to the question that was asked.
var errMismatch = errors.New("the reply answers another question")

// reasonOf sorts an error of a call by what an operator would look at.
func reasonOf(err error) string {
	var said redis.Error
	switch {
	case errors.Is(err, errMismatch):
		return reasonMismatch
	case errors.Is(err, errMovedAway):
		return reasonMoved
	case errors.Is(err, errPending):
		return reasonPending
	case errors.As(err, &said):
		return saidReason(said.Error())
	case errors.Is(err, context.Canceled):
		return reasonCanceled
	case errors.Is(err, redis.ErrPoolTimeout), isTimeout(err):
		return reasonTimeout
	}
	return reasonNetwork
}

// saidReason sorts what the server itself said.
func saidReason(text string) string {
	for prefix, reason := range map[string]string{
		"OOM":         reasonMemory,
		"MISCONF":     reasonReadOnly,
		"READONLY":    reasonReadOnly,
		"NOREPLICAS":  reasonReadOnly,
		"LOADING":     reasonLoading,
		"MASTERDOWN":  reasonLoading,
		"CLUSTERDOWN": reasonLoading,
		"BUSY":        reasonLoading,
		"MOVED":       reasonMoved,
		"ASK":         reasonMoved,
		"TRYAGAIN":    reasonMoved,
		"NOAUTH":      reasonDenied,
		"WRONGPASS":   reasonDenied,
		"NOPERM":      reasonDenied,
		"DENIED":      reasonDenied,
		"ERR AUTH":    reasonDenied,
		"ERR DB":      reasonDenied,
	} {
		if strings.HasPrefix(text, prefix) {
			return reason
		}
	}
	return reasonServer
}

// lostReply says whether asking again is the way to know: the work may have been
// done without our hearing of it, or another server is the one to ask.
func lostReply(reason string) bool {
	return reason == reasonTimeout || reason == reasonNetwork || reason == reasonMismatch || reason == reasonMoved || reason == reasonPending
}

func isTimeout(err error) bool {
	var timed net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timed) && timed.Timeout() && !errors.Is(err, io.EOF)
}

// libraryLog passes what go-redis prints on at a low level: the store itself
// reports every error of a call.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, "redis client", "says", fmt.Sprintf(format, v...))
}
