package node

import (
	"context"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
)

// post reads the post box of this server: notices to phones here, and words between
// servers about who writes what.
type post struct{ node *Node }

func (p *post) run(ctx context.Context) {
	n := p.node
	var after dispatch.LetterID
	retry := firstRetry
	for ctx.Err() == nil {
		once, cancel := context.WithTimeout(ctx, listenFor+readTimeout)
		letters, err := n.cfg.Exchange.Collect(once, n.cfg.ID, after, listenFor)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				n.metrics.exchangeNo.WithLabelValues("collect").Inc()
			}
			wait := time.NewTimer(retry)
			select {
			case <-ctx.Done():
			case <-wait.C:
			}
			wait.Stop()
			retry = min(2*retry, lastRetry)
			continue
		}
		if retry > firstRetry {
			n.refreshAll("box") // what was put there meanwhile may be lost
		}
		retry = firstRetry
		for _, l := range letters {
			after = l.ID
			p.open(l)
		}
	}
}

// open acts on one parcel.
func (p *post) open(l dispatch.Letter) {
	n := p.node
	n.metrics.parcels.WithLabelValues("received").Inc()
	paper, err := readParcel(l.Body)
	a := n.areas[paper.area]
	if err != nil || a == nil {
		n.metrics.parcels.WithLabelValues("unreadable").Inc()
		n.cfg.Log.Error("a parcel from another server is passed over", "area", paper.area, "err", err)
		return
	}
	switch paper.kind {
	case parcelNotices:
		p.notices(a, paper)
	case parcelWho:
		for _, w := range paper.who {
			if w.node != n.cfg.ID && !a.presence.learn(w.node, w.actor) {
				n.metrics.unlearned.Inc()
			}
		}
	case parcelPrepare, parcelPrepared, parcelGo:
		n.keepers[a.id].order(paper)
	}
}

// notices tells parties here what another server's writer has sent them, and asks for
// their present truth when something is missing.
func (p *post) notices(a *Area, paper parcel) {
	n := p.node
	var notices []dispatch.Notice
	whole := true
	for _, body := range paper.bodies {
		notice, err := dispatch.UnmarshalNotice(body)
		if err != nil {
			whole = false
			n.metrics.parcels.WithLabelValues("unreadable").Inc()
			n.cfg.Log.Error("a notice from another server is passed over", "area", a.id, "err", err)
			continue
		}
		notices = append(notices, notice)
	}
	if a.tellFrom(paper, notices) || !whole {
		n.metrics.gaps.Inc()
		n.refresh(a.id, "gap")
	}
}

// refresh has the present truth asked for anew for all phones here of an area.
func (n *Node) refresh(area geo.AreaID, reason string) {
	n.metrics.refreshes.WithLabelValues(reason).Inc()
	n.cfg.Hub.Refresh(area)
}

func (n *Node) refreshAll(reason string) {
	for _, id := range n.ids {
		n.refresh(id, reason)
	}
}
