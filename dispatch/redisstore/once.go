package redisstore

import (
	"context"
	"fmt"
	"time"

	"cuntong/dispatch"
)

// maxOnce bounds how long a mark of [Store.Once] may stay.
const maxOnce = time.Hour

// Once notes that something was used, for every server on this Redis and for life (1 s to 1 h), and says whether
// it had not been before. When the answer is lost it is not known whether the mark was made: that is an
// error, and whoever must not use a thing twice does not use it. A fail-over may lose a mark that no replica
// had yet, so life should be short.
func (s *Store) Once(ctx context.Context, name string, life time.Duration) (first bool, err error) {
	if err := dispatch.CheckID(name); err != nil {
		return false, fmt.Errorf("mark: %w", err)
	}
	if life < time.Second || life > maxOnce {
		return false, fmt.Errorf("mark of %s: it would stay for %v: want 1s to %v", name, life, maxOnce)
	}
	x := s.exchange
	key := onceKey(name)
	node, err := x.mail.at(ctx, key)
	if err == nil {
		first, err = node.SetNX(ctx, key, s.node, life).Result()
		x.mail.failed(ctx, err)
	}
	return first && err == nil, x.failed(callOnce, "mark", err)
}
