package ws

import (
	"time"

	"cuntong/ws/wire"
)

// pace is how fast one client sends, and how much of it is of no use. It is owned
// by the reader. Times are milliseconds of the hub's uptime.
type pace struct {
	frames  meter // taken in
	excess  meter // turned away
	asking  meter // questions that cost the area a search
	toldAt  int64 // when the client was last told of something that has no command id
	badFrom int64 // when the present minute of counting malformed frames began
	bad     int32 // malformed frames since
}

// meter is a token bucket in one number: the time at which it will be full again
// ("virtual scheduling" of the generic cell rate algorithm, ITU-T I.371). The zero
// meter is full.
type meter int64

// take takes one of burst tokens, of which one comes back every interval (in
// microseconds, as is the meter). It says whether there was one.
func (m *meter) take(now, interval int64, burst int) bool {
	full := max(int64(*m), now)
	if full+interval-now > interval*int64(burst) {
		return false
	}
	*m = meter(full + interval)
	return true
}

// verdict is what becomes of a frame.
type verdict int

const (
	pass  verdict = iota
	shed          // too many: not read
	flood         // far too many for far too long
)

// excessBursts is how many bursts of frames beyond the limit are shed before the
// client is sent away; after that, sending at twice the limit is too much.
const excessBursts = 5

// frame judges the rate of one more frame.
func (p *pace) frame(now int64, cfg *Config) verdict {
	micros := now * 1000
	interval := int64(time.Second/time.Microsecond) / int64(cfg.FramesPerSecond)
	switch {
	case p.frames.take(micros, interval, cfg.FrameBurst):
		return pass
	case p.excess.take(micros, interval, excessBursts*cfg.FrameBurst):
		return shed
	}
	return flood
}

// question judges one more question.
func (p *pace) question(now int64) bool {
	return p.asking.take(now*1000, wire.QuestionEvery.Microseconds(), wire.QuestionBurst)
}

// malformed counts a malformed frame and says whether it is one too many.
func (p *pace) malformed(now int64, cfg *Config) bool {
	if p.bad == 0 || now-p.badFrom >= time.Minute.Milliseconds() {
		p.bad, p.badFrom = 0, now
	}
	p.bad++
	return int(p.bad) > cfg.MaxMalformed
}

// mayTell says whether the client may be told of a frame that has no command id:
// once a second, so that telling costs less than the frames.
func (p *pace) mayTell(now int64) bool {
	if p.toldAt != 0 && now-p.toldAt < time.Second.Milliseconds() {
		return false
	}
	p.toldAt = now
	return true
}
