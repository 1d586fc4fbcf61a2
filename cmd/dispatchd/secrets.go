package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode"
)

// maxSecretBytes bounds a file that holds a secret.
const maxSecretBytes = 4096

// readSecret reads a file that holds a secret alone on one line, and names the flag that
// names the file in what it says is wrong with it. It never says what is in it.
func readSecret(flag, path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s: there is no file %s: make it, with the secret alone on one line, readable by this server only", flag, path)
	case err != nil:
		return "", fmt.Errorf("%s: %w", flag, err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s: %s is no ordinary file: name one, it may be read again", flag, path)
	case info.Size() > maxSecretBytes:
		return "", fmt.Errorf("%s: %s is larger than %d bytes: it should hold the secret alone on one line", flag, path, maxSecretBytes)
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("%s: this server may not read %s: let it belong to the server's user, with mode 0600", flag, path)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	switch {
	case secret == "":
		return "", fmt.Errorf("%s: %s is empty: write the secret into it", flag, path)
	case strings.ContainsAny(secret, "\r\n"):
		return "", fmt.Errorf("%s: %s has more than one line: it should hold the secret alone", flag, path)
	case strings.ContainsFunc(secret, func(r rune) bool { return unicode.Is(unicode.C, r) }):
		return "", fmt.Errorf("%s: %s has control characters in it: write it as plain text, without a byte order mark", flag, path)
	}
	return secret, nil
}

// redisPassword returns what tells the password for Redis, now and whenever a connection
// is made; nil when no file is named.
func (s *server) redisPassword() (func() (string, error), error) {
	path := s.cfg.RedisPasswordFile
	if path == "" {
		return nil, nil
	}
	ask := func() (string, error) { return readSecret("--redis-password-file", path) }
	if _, err := ask(); err != nil {
		return nil, err
	}
	s.warnOfReaders(path)
	return ask, nil
}

// warnOfReaders says when everybody on this machine may read a secret. It is no error: some ways of
// handing secrets to containers know no owners.
func (s *server) warnOfReaders(path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
		s.log.Warn("everybody on this machine may read a secret; chmod o-r", "file", path, "mode", info.Mode().Perm().String())
	}
}
