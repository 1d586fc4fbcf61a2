// Command dispatchd is the dispatch server, and the tools around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once, but not one that comes together with
	// the first, as from a terminal and a parent process.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	var code exitCode
	switch {
	case errors.As(err, &code):
		os.Exit(int(code))
	case err != nil:
		fmt.Fprintln(os.Stderr, "dispatchd:", err)
		os.Exit(1)
	}
}

// cli is every command. Flags may also be given as environment variables: the
// name in capitals after CUNTONG_, so that --secret-file is CUNTONG_SECRET_FILE.
type cli struct {
	Serve       serveCmd       `cmd:"" default:"withargs" help:"Run the server (the default)."`
	Token       tokenCmd       `cmd:"" help:"Make a token for a driver, passenger, agent or operator."`
	Import      importCmd      `cmd:"" help:"Turn places from elsewhere into what the server reads."`
	Archive     archiveCmd     `cmd:"" help:"Print finished trips, one a line, as JSON."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask a running server whether it is ready; exit 0 if it is."`
	Version     versionCmd     `cmd:"" help:"Say what this program was built from."`
}

// std is what a command may read and write.
type std struct {
	ctx context.Context
	out io.Writer
	err io.Writer
}

// exitCode is an end that has been explained already.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

// run is the whole program but for the signals: tests start it too.
func run(ctx context.Context, args []string, out, errOut io.Writer) (err error) {
	defer func() {
		if code, ok := recover().(exitCode); ok && code != 0 {
			err = code
		}
	}()
	var commands cli
	parser, err := newParser(&commands, out, errOut)
	if err != nil {
		return err
	}
	chosen, err := parser.Parse(args)
	if err != nil {
		return fmt.Errorf("%w (dispatchd --help lists what there is)", err)
	}
	return chosen.Run(&std{ctx: ctx, out: out, err: errOut})
}

func newParser(commands *cli, out, errOut io.Writer) (*kong.Kong, error) {
	return kong.New(commands,
		kong.Name("dispatchd"),
		kong.Description("The dispatch server of Cuntong: village-to-village rides, matched to the driver who can be there soonest."),
		kong.DefaultEnvars("CUNTONG"),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { panic(exitCode(code)) }),
		kong.UsageOnError(),
	)
}
