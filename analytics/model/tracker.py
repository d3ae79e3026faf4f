"""Any number of leaks at once, day by day: found, placed, followed as they grow, and seen to be repaired.

Each day the model is solved with the known leaks in it. What it leaves unexplained at the sensors is
what the model gets wrong (a bias, learnt slowly), changes of known leaks, noise of demands, or something
new. A Kalman filter holds the biases and the leaks' flows. For something new the residuals of the last 1, 2,
4 ... 32 days are held against what was believed before them (a generalised likelihood ratio after Willsky &
Jones 1976, IEEE Trans. Autom. Control 21(1)): with one more leak of unknown flow at each pipe, or with an
error of one sensor. The filter then goes back to the start of the change and comes forward again with the
leak in the model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from analytics.model.belief import MODES
from analytics.model.evidence import Factors, Placed, Window, bayes_factors, place
from analytics.model.filter import NOTHING, Out, Saved
from analytics.model.layout import Hours
from analytics.model.leak import Leak, Note
from analytics.model.options import M3H
from analytics.model.placing import Placing
from analytics.model.positive import factor
from analytics.model.work import Work, done

__all__ = ["Leak", "Note", "Saved", "Tracker"]

Floats = NDArray[np.float64]

REVISED = (1, 2, 3, 5, 8, 12, 18, 25, 35, 45, 60)
"""Ages [days] at which a leak's place is worked out anew."""

YOUNG = 20
"""Days after its finding in which a leak may still grow."""

FRESH = 7
"""Days since its onset in which nobody knows how fast a leak grows: what comes near it then is its own."""

REST_DAYS, LONGEST_REST_DAYS, RELAPSE_DAYS = 2, 32, 30
"""A sensor that was seen to be off is not believed for so many days, each time twice as long up to the second
number if it is off again within the third: one that drifts is off anew whenever it is asked [d]."""

CLEARLY_OFF = 0.2
"""What is not right yet about a leak of the last days may look like a sensor that is off by less [m]."""

HALF = 0.5
"""A fall of a known leak is tried first if it explains at least so much of what another change would: it
claims no more than that the leak may have any flow from then on."""


class Tracker(Placing):
    """See the module. Feed it one day after another with ``advance``; then read ``leaks``."""

    @property
    def open(self) -> list[Leak]:
        """Leaks that run, oldest first."""
        return [leak for leak in self.leaks.values() if leak.closed is None and not leak.known]

    def advance(self, hours: Hours, repaired: Sequence[int] = ()) -> list[Note]:
        """Take one more day. repaired: pipes (indices of ``Layout.pipes``) known to have been repaired in
        it."""
        return done(self.advancing(hours, repaired))

    def advancing(self, hours: Hours, repaired: Sequence[int] = ()) -> Work[list[Note]]:
        """The same in small pieces, for who has other things to do meanwhile: until it has ended, the tracker
        is good for nothing but ``restore``.

        A day whose numbers break the arithmetic (readings of another place, in another unit) is taken as one
        without readings; where not even that helps, all that was known before it is forgotten.
        """
        before = self.saved()
        try:
            return (yield from self._advance(hours, repaired))
        except np.linalg.LinAlgError as e:
            self.restore(before)
            nothing = hours._replace(
                head=np.full_like(hours.head, np.nan), inflow=np.full_like(hours.inflow, np.nan)
            )
            try:
                yield from self._advance(nothing, ())
                self.notes.append(Note(self.day, "unread", -1, f"taken as a day without readings: {e}"))
            except np.linalg.LinAlgError:
                start = self._start._replace(day=before.day, made=before.made, notes=before.notes)
                self.restore(start._replace(after={before.day: NOTHING}))
                yield from self._advance(nothing, ())
                self.notes.append(Note(self.day, "anew", -1, "all before it is forgotten"))
            return self.notes[len(before.notes) :]

    def _advance(self, hours: Hours, repaired: Sequence[int]) -> Work[list[Note]]:
        self.day += 1
        d, before = self.day, len(self.notes)
        yield from self._step(d, hours, disturbed=bool(repaired))
        for pipe in repaired:
            self._repaired(d, pipe)
        if not repaired and self._reference is not None:
            yield from self._look(d)
        yield from self._review(d)
        for old in [k for k in self._after if k < d - self.options.history]:
            del self._after[old]
        for old in [k for k in self._days if k < d - self.options.history]:
            del self._days[old]
            self._noise_of.pop(old, None)
        for key in [k for k in self._rows_of if k[0] < d - self.options.history]:
            del self._rows_of[key]
        return self.notes[before:]

    def _look(self, d: int) -> Work[None]:
        """Anything new? Up to four changes a day."""
        spared: set[int] = set()
        settled = all(d - leak.found > 3 for leak in self.open)
        for _ in range(4):
            best: tuple[Placed, int, Factors] | None = None
            sensor: tuple[float, int, int, float] | None = None
            likely: list[tuple[float, int, int, Window, Factors]] = []
            fall: tuple[float, int, int] = (-np.inf, 0, -1)
            for length in self.options.windows:
                if length > d + 1:
                    break
                window = yield from self._window(d, length)
                if window is None:
                    continue
                for start in range(len(self.options.blocks)) if length <= 2 else (0,):
                    late = self._late(window, length, start)
                    found = bayes_factors(late, self.options.flow_sd)
                    yield
                    top = float((np.where(found.flow > 0, found.log, -np.inf) + self._prior).max())
                    if top > self.options.alarm - np.log(len(self._prior)):
                        likely.append((top, length, start, late, found))
                off = self._sensor_off(window)
                clear = off is not None and (settled or abs(off[2]) > CLEARLY_OFF)
                if off is not None and clear and (sensor is None or off[0] > sensor[0]):
                    sensor = (off[0], length, off[1], off[2])
                if length <= 2:
                    for drop in self._drops(d, length, window):
                        fall = max(fall, drop, key=lambda x: x[0])
                yield
            likely.sort(key=lambda x: -x[0])
            for _, length, start, late, found in likely[:3]:
                placed = place(late, found, self.options.flow_sd, self._prior, self._errors(length, start))
                yield
                if best is None or placed.log > best[0].log:
                    best = (placed, length, found)
            evidence = -np.inf if best is None else best[0].log
            other = max(evidence, -np.inf if sensor is None else sensor[0])
            if fall[0] > max(HALF * other, self.options.gone) and -1000 - fall[2] not in spared:
                spared.add(-1000 - fall[2])
                yield from self._drop(d, fall[1], fall[2])
                continue
            if sensor is not None and sensor[0] > max(evidence, self.options.alarm):
                if -1 - sensor[2] in spared:
                    return
                spared.add(-1 - sensor[2])
                yield from self._relearn(d, sensor[1], sensor[2], sensor[3])
                continue
            if best is None or evidence < self.options.alarm:
                return
            if (yield from self._moved(d, int(np.argmax(best[0].probability)), spared)):
                continue
            if not (yield from self._take(d, best, spared)):
                return

    def _moved(self, d: int, candidate: int, spared: set[int]) -> Work[bool]:
        """Whether a known leak that looks much like ``candidate`` to the sensors was placed anew for it.

        A leak that is not quite where it was thought to be leaves a pattern that looks like one more.
        """
        day = self._days[d][1]
        seen = self._bias_rows(day)
        doubt = self._after[d].covariance[: self._biases, : self._biases]
        white = factor(self._noise_of[d] + seen @ doubt @ seen.T)
        new = self._signatures(day, np.array([candidate]))[:, 0]
        solved = cho_solve(white, new)
        alike = []
        for leak in self.open:
            if leak.id in spared or leak.revised == d or d - leak.found < 1:
                continue
            rows = self._leak_rows(d, leak.id)
            size = (new @ solved) * float(rows @ cho_solve(white, rows))
            alike.append((float(rows @ solved) / np.sqrt(size), leak))
        for likeness, leak in sorted(alike, key=lambda x: -x[0])[:2]:
            if likeness < 0.8:
                break
            spared.add(leak.id)
            if (yield from self._place(d, leak)):
                return True
        return False

    def _drop(self, d: int, length: int, leak: int) -> Work[None]:
        """A known leak may have any flow, from the window's start on."""
        self.leaks[leak].fell, self.leaks[leak].settled = d, None
        for j in range(d - length, d + 1):
            if leak in self._after[j].ids:
                flow = self._after[j].flow(leak)
                self._after[j] = self._after[j].fallen(leak, flow**2)
        yield from self._again(d - length, d, solve=True)

    def _relearn(self, d: int, length: int, sensor: int, offset: float) -> Work[None]:
        """A sensor is off since the window's start: it is not believed for some days, longer each time, and
        its offset is learnt anew then."""
        self._out = tuple(o for o in self._out if d - o.last <= RELAPSE_DAYS)
        before = max((o.rest for o in self._out if o.sensor == sensor), default=REST_DAYS // 2)
        rest = min(2 * before, LONGEST_REST_DAYS)
        self._out += (Out(sensor, d - length + 1, d + rest, rest, offset),)
        yield from self._again(d - length, d, solve=False)
        self.notes.append(Note(d, "sensor", -1, f"{sensor} off by {offset:.3f} m"))

    def _take(self, d: int, best: tuple[Placed, int, Factors], spared: set[int]) -> Work[bool]:
        """Make the evidence a new leak, or growth of one that grows; whether to look again."""
        (p, total), length, found = best
        top = int(np.argmax(p))
        flow = max(float(found.flow[top]), 0.3 * M3H)
        for leak in sorted(self.open, key=lambda k: -self._near(p, k)):
            if self._near(p, leak) < 0.5:
                break
            was = self._after[d - length]
            growth = max(was.growth(leak.id)[0], 0.0) if leak.id in was.ids else flow
            held = max(was.flow(leak.id), 0.0)
            settled = leak.steady(d - length)
            young = d - leak.found <= YOUNG and not settled
            # A hole grows, but it does not jump; how fast one grows that is a few days old nobody knows yet.
            fresh = d - leak.onset <= FRESH
            if not fresh and (
                settled
                or flow > 1.0 * M3H + 0.35 * held + 2 * growth * length
                or not (young or growth > 0.01 * held)
            ):
                continue
            if leak.id in spared:
                return False
            spared.add(leak.id)
            for j in range(d - length, d + 1):
                if leak.id in self._after[j].ids:
                    wide = self._after[j].widened(leak.id, flow**2, (flow / length) ** 2)
                    self._after[j] = wide.unlearnt(leak.id) if j == d - length else wide
            yield from self._again(d - length, d, solve=False)
            yield from self._place(d, leak)
            return True
        leak = Leak(self._next_id(), p, self._over_nodes(p), d - length, d, total)
        leak.modes = self._modes(d, leak)
        self.leaks[leak.id] = leak
        start = self._after[d - length].added(
            leak.id, flow, self.options.flow_sd, max(self.options.slope_sd, flow / length / 2)
        )
        self._after[d - length] = start
        yield from self._again(d - length, d, solve=True)
        after = self._after[d]
        if after.flow(leak.id) < max(0.3 * M3H, 2 * after.flow_sd(leak.id)):
            # With it in the model nothing is left for it: it was the shape of something else.
            del self.leaks[leak.id]
            for j in range(d - length, d + 1):
                if leak.id in self._after[j].ids:
                    self._after[j] = self._after[j].dropped(leak.id)
            yield from self._again(d - length, d, solve=True)
            return False
        self.notes.append(Note(d, "found", leak.id, f"since {leak.onset}, evidence {total:.1f}"))
        # What is left beside a leak of a day is mostly its own: another is told apart tomorrow.
        return False

    def _next_id(self) -> int:
        self._made += 1
        return self._made - 1

    def _near(self, p: Floats, leak: Leak) -> float:
        """Share of a posterior that lies near a known leak."""
        at = int(np.argmax(leak.probability))
        return float(p[self.layout.distance[at] <= self.options.near_m].sum())

    def _repaired(self, d: int, pipe: int) -> None:
        """A repair at ``pipe`` on day d: of a leak that is tracked, or of one that nobody had seen."""
        near = self.layout.distance[pipe] <= 500.0
        open_ = sorted(self.open, key=lambda k: -float(k.probability[near].sum()))
        if self._reference is None:
            return
        if open_ and open_[0].probability[near].sum() > 0.2:
            leak = open_[0]
            self._close(d, leak, "repaired")
            return
        p = np.zeros(len(self._prior))
        p[pipe] = 1.0
        leak = Leak(self._next_id(), p, self._over_nodes(p), d, d, 0.0, known=True)
        leak.modes = np.zeros((self._rows, MODES))
        self.leaks[leak.id] = leak
        self._after[d] = self._after[d].added(leak.id, 0.0, self.options.flow_sd, 0.0)
        self.notes.append(Note(d, "repaired", leak.id, "nothing had been seen of it"))

    def _close(self, d: int, leak: Leak, why: str) -> None:
        leak.closed = d
        if leak.id in self._after[d].ids:
            self._after[d] = self._after[d].dropped(leak.id)
        self.notes.append(Note(d, "closed", leak.id, why))

    def _review(self, d: int) -> Work[None]:
        """Place leaks anew now and then; give up those that have stopped."""
        for leak in list(self.leaks.values()):
            if leak.closed is not None or leak.id not in self._after[d].ids:
                continue
            age = d - leak.found
            if leak.known:
                continue
            if age in REVISED:
                yield from self._place(d, leak)
            last = [leak.flow.get(j, np.inf) for j in range(d - 3, d + 1)]
            if age >= 4 and max(last) < max(0.3 * M3H, 0.1 * leak.top):
                self._close(d, leak, "stopped")
