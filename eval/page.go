package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
)

//go:embed page.gohtml
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what the template shows.
type page struct {
	Network, About, Licence string
	Policies                []pagePolicy
	Charts                  []pageChart
	Rows                    [][]string
	Targets                 []pageTarget
}

type pagePolicy struct{ Class, Name string }

type pageChart struct {
	Title string
	SVG   template.HTML
}

type pageTarget struct {
	What, Bound, Value, Word string
	Within                   bool
}

// writePage writes the figures as one page that needs nothing else.
func (s *study) writePage(path string) error {
	p := page{
		Network: s.net.name,
		About: fmt.Sprintf("%s: %d villages, %d drivers, %d days at each load; the same requests for every policy.",
			s.net.name, len(s.net.villages), s.opt.drivers, s.opt.seeds),
		Licence: s.net.licence,
	}
	var cells [][]cell
	for i, policy := range s.policies {
		p.Policies = append(p.Policies, pagePolicy{Class: classOf(i), Name: policy.name + ": " + policy.about})
		var line []cell
		for l := range s.opt.loads {
			line = append(line, s.cellOf(l, i))
		}
		cells = append(cells, line)
	}
	for _, c := range []chart{
		{title: "Served in time, percent", figure: func(c cell) estimate { return c.served }, top: 100},
		{title: "Wait for the driver, minutes", figure: func(c cell) estimate { return c.wait }},
		{title: "Empty minutes a ride", figure: func(c cell) estimate { return c.empty }},
	} {
		p.Charts = append(p.Charts, pageChart{Title: c.title, SVG: template.HTML(c.svg(cells))})
	}
	for l := range s.opt.loads {
		for i := range s.policies {
			p.Rows = append(p.Rows, cells[i][l].row(i != byLine))
		}
	}
	for _, t := range s.targets() {
		bound, word, _ := strings.Cut(t.verdict(), "  ")
		p.Targets = append(p.Targets, pageTarget{t.what, bound, fmt.Sprintf("%.2f", t.value), word, t.within()})
	}
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, p); err != nil {
		return err
	}
	return writeFile(path, out.Bytes())
}

// classOf names the colour of a policy in the style sheet.
func classOf(policy int) string { return fmt.Sprintf("c%d", policy+1) }
