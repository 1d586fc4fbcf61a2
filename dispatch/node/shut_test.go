package node

import (
	"testing"

	"cuntong/dispatch"
)

// TestShutOutEverywhere: who is barred, signs out, or connects anew hears of it at every
// server where he is.
func TestShutOutEverywhere(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		one, two := w.start("a", "1"), w.start("b", "1")
		w.spread(one, two)
		area := one.written()[0]
		var phones []phone
		for _, s := range []*server{one, two} {
			for _, who := range []dispatch.Actor{{Role: dispatch.RolePassenger, ID: "p1"}, {Role: dispatch.RoleAgent, ID: "a1"}, dispatch.DriverActor("d1")} {
				p := s.connect(area, who.Role, who.ID)
				hears(p, "the truth", func(dispatch.Truth) bool { return true })
				phones = append(phones, p)
			}
		}
		desk := two.connect(area, dispatch.RoleOperator, "o1")
		desk.do(dispatch.Bar{Command: dispatch.Command{By: desk.who, ID: "bar"}, Party: phones[0].who})
		desk.done("bar")
		phones[1].do(dispatch.SignOut{Command: dispatch.Command{By: phones[1].who, ID: "out"}})
		phones[5].do(dispatch.Hello{By: phones[5].who, Session: "b-1", Began: 7})
		for i, why := range []dispatch.ShutWhy{dispatch.ShutBarred, dispatch.ShutSignedOut, dispatch.ShutReplaced} {
			for _, p := range []phone{phones[i], phones[i+3]} {
				hears(p, string(why), func(out dispatch.ShutOut) bool { return out.Why == why })
			}
		}
	})
}
