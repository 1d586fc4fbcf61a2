//go:build !linux

package redisstore

import (
	"context"
	"errors"
)

// A child that must not outlive its parent needs what only Linux offers.
var errNoChild = errors.New("redis-server is started as a child on Linux only: give the address of one")

func findServer(context.Context) (string, error) { return "", errNoChild }

func startChild(context.Context, Config, *metrics, string) (found, error) { return found{}, errNoChild }
