// Command bench measures what the design promises, each figure beside a baseline
// in the same run, so that the machine's speed cancels out.
//
//	go run ./bench [-o out/bench.json] [-only name,...]
//
// It prints a table and writes the rows as JSON. A figure outside its budget is
// marked and does not fail the run; a measure that cannot be taken does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// measure takes the figures of the names, and says on log what a table cannot.
type measure struct {
	names []string
	take  func(ctx context.Context, log io.Writer) ([]Row, error)
}

// measures are all there are, in the order of the table.
var measures = []measure{
	{[]string{"nearest8_line_100k", "nearest_growth_10k_1m"}, nearest},
	{[]string{"positions_in"}, single(positions)},
	{[]string{"request_to_offer_p50", "request_to_offer_p50_everysec"}, latency},
	{durabilityNames(), durability},
	{bytesNames, bytesOnTheWire},
	{[]string{"rss_per_connection_kb"}, single(memory)},
	{[]string{"return_15000_s"}, single(comingBack)},
	{[]string{"nearest8_road_county_p99"}, single(nearestCounty)},
	{[]string{"nearest8_road_province_p99", "road_position_us", "closure_effective_ms"}, province},
	{[]string{"road_province_rss_mb"}, single(provinceMemory)},
	{[]string{"two_servers_any", "two_servers_right"}, twoServers},
}

// single makes a measure of one figure.
func single(take func(context.Context, io.Writer) (Row, error)) func(context.Context, io.Writer) ([]Row, error) {
	return func(ctx context.Context, log io.Writer) ([]Row, error) {
		row, err := take(ctx, log)
		return []Row{row}, err
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" { // this program again, as one end of a measure
		if err := runChild(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench child:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	path := flags.String("o", "out/bench.json", "write the rows to this `file`")
	only := flags.String("only", "", "take only the figures of these `names`, separated by commas")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	wanted, err := wantedNames(*only)
	if err != nil {
		return err
	}
	var rows []Row
	for _, m := range measures {
		if !slices.ContainsFunc(m.names, func(name string) bool { return slices.Contains(wanted, name) }) {
			continue
		}
		fmt.Fprintln(out, "measuring", strings.Join(m.names, ", "))
		taken, err := m.take(ctx, out)
		if err != nil {
			return fmt.Errorf("%s: %w", strings.Join(m.names, ", "), err)
		}
		rows = append(rows, taken...)
	}
	if err := PrintTable(out, rows); err != nil {
		return err
	}
	return WriteJSON(*path, rows)
}

// wantedNames are those of the -only flag, or all.
func wantedNames(only string) ([]string, error) {
	var all []string
	for _, m := range measures {
		all = append(all, m.names...)
	}
	if only == "" {
		return all, nil
	}
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("no figure %q: there are %s", name, strings.Join(all, ", "))
		}
	}
	return wanted, nil
}
