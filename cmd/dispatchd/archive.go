package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"cuntong/dispatch"
	"cuntong/dispatch/redisstore"
	"cuntong/geo"
)

// archiveCmd prints finished trips.
type archiveCmd struct {
	Area   string `default:"county" help:"Id of the area."`
	From   string `help:"Only trips that ended at this moment or later: 2026-11-28 (local time) or 2026-11-28T06:00:00+08:00."`
	Before string `help:"Only trips that ended before this moment."`

	Redis   string `default:"child" help:"Where the server keeps its facts: the address that it was given, or 'child' for that of a running server's child in the data folder."`
	DataDir string `default:"data" type:"path" help:"Folder of the server's data."`
}

// readArchiveWait bounds the start of reading.
const readArchiveWait = 10 * time.Second

// Run prints one trip a line, as JSON, in the order they ended.
func (c *archiveCmd) Run(std *std) error {
	area, err := geo.ParseAreaID(c.Area)
	if err != nil {
		return err
	}
	from, err := momentOf(c.From)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	before, err := momentOf(c.Before)
	if err != nil {
		return fmt.Errorf("--before: %w", err)
	}
	address := c.Redis
	if address == redisstore.ModeChild {
		address = "unix://" + filepath.Join(c.DataDir, "redis", "redis.sock")
	}
	ctx, cancel := context.WithTimeout(std.ctx, readArchiveWait)
	defer cancel()
	store, err := redisstore.Open(ctx, redisstore.Config{Mode: address, Node: "archive", AllowUnsafe: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer store.Close()
	return printArchive(std.ctx, std.out, store, area, from, before)
}

func printArchive(ctx context.Context, out io.Writer, store *redisstore.Store, area geo.AreaID, from, before dispatch.Instant) error {
	lines := bufio.NewWriter(out)
	err := store.Archived(ctx, area, from, before, func(trip dispatch.EndedTrip) error {
		_, err := fmt.Fprintf(lines, "%s\n", trip.Paper)
		return err
	})
	if err != nil {
		return err
	}
	return lines.Flush()
}

// momentOf reads a day or a moment; nothing is none.
func momentOf(s string) (dispatch.Instant, error) {
	if s == "" {
		return 0, nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return dispatch.InstantOf(at), nil
	}
	day, err := time.ParseInLocation(time.DateOnly, s, time.Local)
	if err != nil {
		return 0, fmt.Errorf("%.40q: want 2026-11-28 or 2026-11-28T06:00:00+08:00", s)
	}
	return dispatch.InstantOf(day), nil
}
