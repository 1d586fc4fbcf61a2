package geo

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxFind bounds what one Find returns, whatever is asked for.
const MaxFind = 100

// Find returns the villages that the query names, best first: an id or code as
// it stands; then a whole name, alias or pinyin; then the beginning of a name,
// of an alias, of the pinyin, of its initials. Case, tone marks, tone numbers,
// spaces and apostrophes do not matter. Shorter names come before longer ones,
// then the order is that of names and ids, so the same query always has the same
// answer. It returns at most limit villages, never more than MaxFind.
//
// What begins with one letter may be much of a province; then all of it is
// looked at, which takes milliseconds.
func (g *Gazetteer) Find(query string, limit int) []Village {
	best := make(map[int]match)
	offer := func(m match) {
		if old, seen := best[m.village]; !seen || m.compare(old) < 0 {
			best[m.village] = m
		}
	}
	plain := strings.TrimSpace(query)
	if i, known := g.byID[VillageID(plain)]; known {
		offer(match{village: i})
	}
	if i, known := g.byCode[plain]; known {
		offer(match{village: i})
	}
	if text := fold(query); text != "" {
		from, _ := slices.BinarySearchFunc(g.terms, text, func(t term, text string) int { return cmp.Compare(t.text, text) })
		for _, t := range g.terms[from:] {
			if !strings.HasPrefix(t.text, text) {
				break
			}
			offer(t.match(text))
		}
	}
	return g.ranked(best, min(limit, MaxFind))
}

func (g *Gazetteer) ranked(best map[int]match, limit int) []Village {
	order := make([]match, 0, len(best))
	for _, m := range best {
		order = append(order, m)
	}
	slices.SortFunc(order, func(a, b match) int {
		va, vb := &g.villages[a.village], &g.villages[b.village]
		return cmp.Or(a.compare(b), cmp.Compare(va.Name, vb.Name), cmp.Compare(va.ID, vb.ID))
	})
	found := make([]Village, 0, max(0, min(limit, len(order))))
	for _, m := range order[:cap(found)] {
		found = append(found, g.villages[m.village])
	}
	return found
}

// match is how well a village fits; the zero rank is an id or code.
type match struct {
	village int
	rank    int
	longer  int // by how many characters the term goes on beyond the query
}

func (m match) compare(o match) int {
	return cmp.Or(cmp.Compare(m.rank, o.rank), cmp.Compare(m.longer, o.longer))
}

// term is a folded text under which a village is found.
type term struct {
	text    string
	kind    kind
	village int
}

type kind int

const (
	byName kind = iota
	byAlias
	byPinyin
	byInitials
	kinds
)

func (t term) compare(o term) int {
	return cmp.Or(cmp.Compare(t.text, o.text), cmp.Compare(t.kind, o.kind), cmp.Compare(t.village, o.village))
}

// match ranks whole names before beginnings; initials alone name nothing, so
// even whole they come last.
func (t term) match(query string) match {
	m := match{village: t.village, rank: 1 + int(t.kind), longer: utf8.RuneCountInString(t.text[len(query):])}
	if m.longer > 0 || t.kind == byInitials {
		m.rank += int(kinds)
	}
	return m
}

func appendTerms(terms []term, v Village, i int) []term {
	add := func(text string, k kind) {
		if text = fold(text); text != "" {
			terms = append(terms, term{text: text, kind: k, village: i})
		}
	}
	add(v.Name, byName)
	for _, alias := range v.Aliases {
		add(alias, byAlias)
	}
	add(v.Pinyin, byPinyin)
	if first := initials(v.Pinyin); utf8.RuneCountInString(first) > 1 {
		add(first, byInitials)
	}
	return terms
}

// initials are the first letters of the syllables, as far as they are written
// apart: "li ping" gives "lp", "liping" gives "l".
func initials(pinyin string) string {
	var b strings.Builder
	for _, syllable := range strings.FieldsFunc(pinyin, isJoint) {
		r, _ := utf8.DecodeRuneInString(syllable)
		b.WriteRune(r)
	}
	return b.String()
}

func isJoint(r rune) bool {
	return unicode.IsSpace(r) || r == '\'' || r == '’' || r == '-' || r == '·'
}

// toneless maps the letters of pinyin that carry a tone to those that do not; ü
// becomes v, as it is typed.
var toneless = func() map[rune]rune {
	m := make(map[rune]rune)
	for plain, toned := range map[rune]string{
		'a': "āáǎà", 'e': "ēéěèê", 'i': "īíǐì", 'o': "ōóǒò", 'u': "ūúǔù", 'v': "üǖǘǚǜ", 'n': "ńňǹ", 'm': "ḿ",
	} {
		for _, r := range toned {
			m[r] = plain
		}
	}
	return m
}()

// fold brings what people write to what is compared: lower case, full-width
// letters made narrow, no tones, no joints.
func fold(s string) string {
	var b strings.Builder
	afterLetter := false
	for _, r := range s {
		if r >= '！' && r <= '～' { // full width, as Chinese keyboards write them
			r -= '！' - '!'
		}
		r = unicode.ToLower(r)
		if plain, toned := toneless[r]; toned {
			r = plain
		}
		tone := afterLetter && r >= '1' && r <= '5'
		afterLetter = r >= 'a' && r <= 'z'
		if !tone && !isJoint(r) && !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}
