"""How fast each peer stores the same messages, and at what cost: `script/bench --only peers`.

Flat out: the messages are published as fast as the broker takes them, to a peer that is warm. Backlog: they wait in
the broker for a peer that was away, and connects. Until the last row was committed, as PostgreSQL notes it. The peers
take turns within each round; figures are medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psycopg

from bench.peers import failures, ground, installing
from bench.peers.ground import Peer, Probe
from bench.peers.homeassistant import HomeAssistant
from bench.peers.nodered import NodeRed
from bench.peers.ours import Naive, Ours
from bench.run import Run, settled
from bench.table import Figure
from campsite.embedded.processes import Failed, Process

STALLED_S = 20.0
"""Without a further row for so long, the rest never comes."""
ROUNDS, QUICK = 3, 5
"""In a quick run there is one round, of so many times fewer messages, no backlog, and no Home Assistant, which takes
half a minute to be warm."""


class Speed(NamedTuple):
    per_s: float
    process_us: float
    postgres_us: float
    lost: int

    @property
    def cpu_us(self) -> float:
        """Of a core, a message: process and PostgreSQL together."""
        return self.process_us + self.postgres_us


@dataclass(frozen=True)
class Runner:
    peer: Peer
    messages: int
    """In a round: a few seconds' work, so that the second which a batch collects is little of it."""
    warm_up: int


OURS, ONE, BATCH, NAIVE, HASS = "ours", "one", "batch", "naive", "hass"
RUNNERS = {
    OURS: Runner(Ours(), 200_000, 6_000),
    ONE: Runner(NodeRed("one_statement"), 6_000, 1_200),
    BATCH: Runner(NodeRed("batch"), 100_000, 6_000),
    NAIVE: Runner(Naive(), 5_000, 300),
    HASS: Runner(HomeAssistant(), 10_000, 1_200),
}
Speeds = Mapping[str, Speed | str]
"""Of each peer, or why there is none."""


# --- one try ---------------------------------------------------------------------------------------------------------


def flat_out(run: Run, runner: Runner) -> Speed:
    with ground.place(run, runner.peer) as place:
        process, probe = runner.peer.start(place), Probe(runner.peer, place)
        try:
            talker = place.generator(keep=False)
            talker.send(runner.warm_up)
            settled(probe.rows, runner.warm_up, STALLED_S, f"{runner.peer.name}, warming up")
            prepared = talker.prepare(runner.messages)
            clock = Clock(probe, process)
            talker.send(runner.messages, prepared=prepared)
            return clock.read(runner, runner.warm_up + runner.messages)
        finally:
            probe.close()
            process.stop(10)


def backlog(run: Run, runner: Runner) -> Speed:
    """Its session is there, it is not; then it starts."""
    with ground.place(run, runner.peer) as place:
        runner.peer.start(place).stop(10)
        place.generator(keep=False).send(runner.messages)
        process, probe = runner.peer.start(place), Probe(runner.peer, place)
        try:
            return Clock(probe, process).read(runner, runner.messages)
        finally:
            probe.close()
            process.stop(10)


class Clock:
    """Runs from when it is made: what was stored before does not count."""

    def __init__(self, probe: Probe, process: Process) -> None:
        self._probe, self._process, self._there = probe, process, probe.rows()
        self._cpu_s, self._began = probe.cpu_s(process), time.time()

    def read(self, runner: Runner, wanted: int) -> Speed:
        """Until there are so many rows in all."""
        there = settled(self._probe.rows, wanted, STALLED_S, runner.peer.name)
        if (stored := there - self._there) <= 0:
            raise Failed(f"{runner.peer.name} had stored all before the clock began")
        used = [after - before for after, before in zip(self._probe.cpu_s(self._process), self._cpu_s, strict=True)]
        took_s = self._probe.last_at() - self._began
        return Speed(stored / took_s, 1e6 * used[0] / stored, 1e6 * used[1] / stored, wanted - there)


# --- all of them -----------------------------------------------------------------------------------------------------


def measure(run: Run) -> list[Figure]:
    """A quick run fetches nothing."""
    if not run.is_quick:
        installing.install_all()
    reasons = {name: reason for name, runner in RUNNERS.items() if (reason := runner.peer.missing())}
    if run.is_quick:
        reasons.setdefault(HASS, "not in the quick form")
    tried: dict[str, list[tuple[Speed, Speed | None]]] = {name: [] for name in RUNNERS}
    lost: dict[str, int] = {}
    for number in range(run.rounds(ROUNDS)):
        for name in [each for each in RUNNERS if each not in reasons]:
            try:
                tried[name].append(_round(run, RUNNERS[name]))
                if number == 0 and not run.is_quick:
                    lost[name] = _killed(run, RUNNERS[name].peer)
            except (Failed, AssertionError, psycopg.Error) as failed:
                reasons[name] = f"{failed}".partition("\n")[0]
    flat = {name: reasons.get(name) or median([each for each, _ in tried[name]]) for name in RUNNERS}
    waited = {name: [each for _, each in tried[name] if each] for name in RUNNERS if name not in reasons}
    return [*figures(flat, {name: median(each) for name, each in waited.items() if each}), *_losses(lost)]


def _round(run: Run, runner: Runner) -> tuple[Speed, Speed | None]:
    if run.is_quick:
        runner = Runner(runner.peer, runner.messages // QUICK, runner.warm_up // QUICK)
    flat = flat_out(run, runner)
    run.say(f"{runner.peer.name}: {flat.per_s:,.0f}/s, {flat.process_us:.0f} + {flat.postgres_us:.0f} µs")
    if not runner.peer.keeps_session or run.is_quick:
        return flat, None
    try:
        waited = backlog(run, runner)
    except Failed as failed:  # that costs no other figure
        run.say(f"… a backlog: {failed}")
        return flat, None
    run.say(f"… a backlog: {waited.per_s:,.0f}/s, {waited.process_us:.0f} + {waited.postgres_us:.0f} µs")
    return flat, waited


def median(speeds: Sequence[Speed]) -> Speed:
    per_s, process_us, postgres_us, lost = (statistics.median(column) for column in zip(*speeds, strict=True))
    return Speed(per_s, process_us, postgres_us, int(lost))


def figures(flat: Speeds, waited: Speeds) -> list[Figure]:
    """Ours beside each peer; the goals are of issue 10."""
    goals = {ONE: ("≥ 15×", ""), BATCH: ("≥ 1.3×", "≤ 0.5×")}
    found = []
    for name, runner in RUNNERS.items():
        if name != OURS:
            faster, cheaper = goals.get(name, ("", ""))
            found += [
                _beside("committed readings, flat out", "/s", "per_s", flat, name, faster),
                _beside("CPU a message, PostgreSQL's too", "µs", "cpu_us", flat, name, cheaper),
            ]
            if runner.peer.keeps_session and waited:
                found.append(_beside("drain of a backlog", "/s", "per_s", waited, name, ""))
    return found


def _beside(what: str, unit: str, attribute: str, speeds: Speeds, name: str, goal: str) -> Figure:
    ours, theirs, peer = speeds.get(OURS, "not tried"), speeds.get(name, "not tried"), RUNNERS[name].peer.name
    for each in (ours, theirs):
        if isinstance(each, str):
            return Figure(f"{what}, beside {peer}", None, unit, peer, goal=goal, note=each)
    lost = f"it lost {theirs.lost}" if isinstance(theirs, Speed) and theirs.lost else ""
    return Figure(what, getattr(ours, attribute), unit, peer, getattr(theirs, attribute), goal, lost)


def _killed(run: Run, peer: Peer) -> int:
    """How many of failures.QUEUED messages are lost with a process that is killed while it works them off."""
    found = failures.tried(run, peer, failures.killed_in_a_backlog)
    run.say(f"{peer.name}, killed in a backlog: lost {found.lost} of {found.sent}")
    return found.lost


def _losses(lost: Mapping[str, int]) -> list[Figure]:
    what = f"lost of {failures.QUEUED:,} queued, QoS 1, when it is killed"
    return [
        Figure(what, lost[OURS], "", RUNNERS[name].peer.name, each, "= 0")
        for name, each in lost.items()
        if name != OURS and OURS in lost
    ]
