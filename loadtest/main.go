// Command loadtest lets simulated drivers and riders loose on a server, over real sockets, and reports what they saw.
//
//	go run ./loadtest --scenario smoke --html out/load.html
//
// It ends with 0 when every threshold held, 2 when one was broken, and 1 when the
// run could not be made. README.md in this folder has the scenarios, the figures
// and the thresholds.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"cuntong/loadtest/report"
	"cuntong/loadtest/swarm"
)

// The exit codes.
const (
	exitOK     = 0
	exitError  = 1
	exitBroken = 2
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr, signals))
}

// run is the whole command. The first signal ends the run early and tidily, the
// second at once; either way there is a report.
func run(ctx context.Context, args []string, out, errOut io.Writer, signals <-chan os.Signal) int {
	fail := func(err error) int {
		fmt.Fprintln(errOut, "loadtest:", err)
		return exitError
	}
	o, done, err := parse(args, out)
	if err != nil {
		return fail(err)
	}
	if done {
		return exitOK
	}
	cfg, err := o.config()
	if err != nil {
		return fail(err)
	}
	result, err := drive(ctx, cfg, o.Quiet, errOut, signals)
	if err != nil {
		return fail(err)
	}
	r := report.New(result)
	r.Judge(o.thresholds)
	if err := o.write(r, out); err != nil {
		return fail(err)
	}
	if !r.OK {
		return exitBroken
	}
	return exitOK
}

// drive makes the run.
func drive(ctx context.Context, cfg swarm.Config, quiet bool, errOut io.Writer, signals <-chan os.Signal) (*swarm.Result, error) {
	level := slog.LevelWarn
	if quiet {
		level = slog.LevelError
	}
	cfg.Log = slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: level}))
	if !quiet {
		p := newProgress(errOut)
		cfg.Progress = p.tell
		defer p.end()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	finish, over := make(chan struct{}), make(chan struct{})
	cfg.Finish = finish
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		listen(signals, over, finish, cancel)
	}()
	defer func() {
		close(over)
		<-listening
	}()
	return swarm.Run(ctx, cfg)
}

// listen closes finish at the first signal and calls cancel at the second.
func listen(signals <-chan os.Signal, over <-chan struct{}, finish chan<- struct{}, cancel func()) {
	select {
	case <-signals:
		close(finish)
	case <-over:
		return
	}
	select {
	case <-signals:
		cancel()
	case <-over:
	}
}

// write gives the report out: the table always, the files where they were asked for.
func (o *options) write(r *report.Report, out io.Writer) error {
	return errors.Join(
		r.WriteText(out),
		writeFile(o.JSON, r.WriteJSON),
		writeFile(o.HTML, r.WriteHTML),
	)
}

func writeFile(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
