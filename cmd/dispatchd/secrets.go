package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// maxPasswordBytes bounds a password file.
const maxPasswordBytes = 4096

// redisPassword reads the password for Redis, if a file is named.
func (s *server) redisPassword() (string, error) {
	path := s.cfg.RedisPasswordFile
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("redis password: %w", err)
	}
	if info.Size() > maxPasswordBytes {
		return "", fmt.Errorf("redis password: %s is larger than %d bytes", path, maxPasswordBytes)
	}
	s.warnOfReaders(path)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("redis password: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", errors.New("redis password: the file is empty")
	}
	return password, nil
}

// warnOfReaders says when everybody on this machine may read a secret. It is no error: some ways of
// handing secrets to containers know no owners.
func (s *server) warnOfReaders(path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
		s.log.Warn("everybody on this machine may read a secret; chmod o-r", "file", path, "mode", info.Mode().Perm().String())
	}
}
