package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode"
)

// newLog returns the server's log: one event a line, whatever a name in it holds, and
// nothing in it that a terminal or a viewer takes for more than text.
func newLog(out io.Writer, format, level string) *slog.Logger {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		least = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: least, ReplaceAttr: tame}
	if format == "text" || (format == "auto" && isTerminal(out)) {
		return slog.New(slog.NewTextHandler(out, options))
	}
	return slog.New(slog.NewJSONHandler(out, options))
}

// tame writes out what does not print. The handlers do so with ASCII's control characters; what
// is beyond them (C1, the ends of lines and paragraphs of Unicode, marks that turn the direction
// of the text round) JSON lets pass.
func tame(_ []string, a slog.Attr) slog.Attr {
	text := ""
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
	case fmt.Stringer:
		if a.Value.Kind() != slog.KindAny { // a time or a duration
			return a
		}
		text = v.String()
	default:
		return a
	}
	if !strings.ContainsFunc(text, unprintable) {
		return a
	}
	var out strings.Builder
	for _, r := range text {
		if unprintable(r) {
			fmt.Fprintf(&out, "<U+%04X>", r)
		} else {
			out.WriteRune(r)
		}
	}
	return slog.String(a.Key, out.String())
}

// unprintable says whether a character beyond ASCII, or DEL, is no part of a text that one reads.
func unprintable(r rune) bool {
	return r >= 0x7f && !unicode.IsPrint(r) && r != unicode.ReplacementChar
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
