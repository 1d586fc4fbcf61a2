package redisstore

import (
	"context"
	"errors"

	"cuntong/dispatch"
)

var errLater = errors.New("not yet")

// LoadAfter reads the facts after one; see [dispatch.Ledger].
func (a *Area) LoadAfter(ctx context.Context, after dispatch.Seq, each func(dispatch.Fact) error) error {
	return errLater
}

// Archive keeps finished trips; see [dispatch.Ledger].
func (a *Area) Archive(ctx context.Context, trips []dispatch.EndedTrip) error { return errLater }

// Head returns where the journal ends; see [dispatch.Ledger].
func (a *Area) Head(ctx context.Context) (dispatch.Head, error) { return dispatch.Head{}, errLater }

// Mend appends what the server lost; see [dispatch.Ledger].
func (a *Area) Mend(ctx context.Context, found dispatch.Head, id dispatch.BatchID, facts []dispatch.Fact) error {
	return errLater
}

// Reseed replaces what the server lost; see [dispatch.Ledger].
func (a *Area) Reseed(ctx context.Context, found dispatch.Head, at dispatch.Seq, state []byte) error {
	return errLater
}
