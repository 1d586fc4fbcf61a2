package ws

import (
	"fmt"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// may says whether a party of this role may send a message of this type: nil, or
// why not. The table is wire's, because clients are written by it; this is the one
// place that reads it. Whether the trip in the message is theirs is the core's
// question.
func may(role dispatch.Role, t wire.Type) *dispatch.Refusal {
	if t.MayBeSentBy(string(role)) {
		return nil
	}
	return refusal(dispatch.Forbidden, wire.CodeRole, fmt.Sprintf("Only other roles than %s send %s.", role, t))
}
