package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
)

// hostileTexts are names and words that try to be more than text in a log.
var hostileTexts = map[string]string{
	"ends of lines":      "a\r\nlevel=ERROR msg=forged\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\v\f",
	"ends of Unicode's":  "a\u2028level=ERROR msg=forged\u2029\u0085x",
	"a terminal's":       "a\x1b[31m\x1b]0;title\x07\u009b2J\x00\x7f\b\b",
	"turned round":       "a\u202egnp.exe\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
	"invisible":          "a\u200b\u2060\ufeff\u00ad\U000e0041",
	"not UTF-8":          "a\xff\xc0\x80\xed\xa0\x80",
	"quotes":             `a" level=ERROR msg="forged`,
	"what is harmless":   "肇兴 寨门 · Zhàoxīng Ω é \u0301",
	"ten thousand bytes": strings.Repeat("\u202e\n", 2500),
}

// TestLogIsTame: whatever a text holds, as a message, a value or an error, an event is one line
// of characters that print, and in JSON it can be read.
func TestLogIsTame(t *testing.T) {
	for name, text := range hostileTexts {
		for _, format := range []string{"json", "text"} {
			var out bytes.Buffer
			log := newLog(&out, format, "debug")
			log.Info(text, "name", text, "err", errors.New(text), "named", named(text))
			log.With("area", text).WithGroup("group").Debug("said", "name", text)
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if len(lines) != 2 {
				t.Errorf("%s in %s: %d lines, want 2:\n%q", name, format, len(lines), lines)
			}
			for _, line := range lines {
				if format == "json" && !json.Valid([]byte(line)) || format == "text" && !strings.HasPrefix(line, "time=") {
					t.Errorf("%s in %s: not an event: %q", name, format, line)
				}
				if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
					t.Errorf("%s in %s: a character that does not print: %q", name, format, line[i:min(i+20, len(line))])
				}
			}
			if name == "what is harmless" && !strings.Contains(out.String(), "肇兴 寨门 · Zhàoxīng") {
				t.Errorf("%s in %s: %q", name, format, out.String())
			}
		}
	}
}

// named is something that names itself.
type named string

func (n named) String() string { return string(n) }
