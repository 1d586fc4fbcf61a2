package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"cuntong/dispatch"
	"cuntong/geo"
)

// archivePage is how many finished trips are read at once.
const archivePage = 500

// Archived calls each for the finished trips of an area that ended from one moment on
// and before another, in the order they ended; a zero moment is no bound. It needs
// no lease and may run beside the area's writer. The error of each ends it.
func (s *Store) Archived(ctx context.Context, area geo.AreaID, from, before dispatch.Instant, each func(dispatch.EndedTrip) error) error {
	if _, err := geo.ParseAreaID(string(area)); err != nil {
		return err
	}
	key := keys{area: area}.archive()
	begin, end := "-", "+"
	if from != 0 {
		begin = strconv.FormatInt(int64(from), 10)
	}
	if before != 0 {
		end = strconv.FormatInt(int64(before)-1, 10) // an end without a count is the last of its millisecond
	}
	for {
		client, err := s.ledger.at(ctx, key)
		if err != nil {
			return fmt.Errorf("archive of area %s: %w", area, err)
		}
		entries, err := client.XRangeN(ctx, key, begin, end, archivePage).Result()
		if err != nil {
			return fmt.Errorf("archive of area %s: %w", area, err)
		}
		for _, entry := range entries {
			trip, err := archivedTrip(entry.ID, entry.Values["t"])
			if err == nil {
				err = each(trip)
			}
			if err != nil {
				return err
			}
		}
		if len(entries) < archivePage {
			return nil
		}
		begin = "(" + entries[len(entries)-1].ID
	}
}

// archivedTrip reads one entry.
func archivedTrip(id string, paper any) (dispatch.EndedTrip, error) {
	at, seq, _ := strings.Cut(id, "-")
	millis, err := strconv.ParseInt(at, 10, 64)
	n, err2 := strconv.ParseUint(seq, 10, 64)
	text, ok := paper.(string)
	if err != nil || err2 != nil || !ok {
		return dispatch.EndedTrip{}, fmt.Errorf("%w: entry %.40s of the archive is none of ours", dispatch.ErrDamaged, id)
	}
	return dispatch.EndedTrip{At: dispatch.Instant(millis), Seq: dispatch.Seq(n), Paper: []byte(text)}, nil
}
