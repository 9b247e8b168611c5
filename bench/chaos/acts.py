"""What happens, and when: a script made from the seed, so that the same seed does the same again."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import redis

from bench.chaos import roads
from bench.chaos.site import Crew, Site

GAP_S = (4.0, 14.0)
"""From the end of an act to the next one; now and then they overlap."""
OVERLAP = 0.2
SERVICES = ("broker", "postgres", "valkey")
STEPS_S = (90, -90, 3600, -3600)


@dataclass(frozen=True)
class Act:
    """`begin` does it, `end` mends it `lasts_s` later. `hits`: whom, for what may then be late. `forgets`: the broker
    loses what it had taken and not yet written.
    """

    name: str
    lasts_s: float
    begin: Callable[[Site], None]
    end: Callable[[Site], None]
    hits: tuple[str, ...]
    step_s: float = 0.0
    forgets: bool = False


@dataclass(frozen=True)
class Due:
    """An act at so many seconds of the run."""

    at_s: float
    act: Act


def script(seed: int, seconds: float, *, with_clock: bool, crew: Crew) -> list[Due]:
    """Acts that are all over by then. Nobody has two happen to it at once."""
    dice = random.Random(seed)
    found: list[Due] = []
    deck: list[Maker] = []
    free_at = dict.fromkeys((*crew.everybody, *SERVICES), 5.0)
    at_s = 5.0
    while True:
        if not deck:
            deck = [*MAKERS, *([_clock] if with_clock else []), *([_take_over] if crew.workers > 1 else [])]
            deck += [_without_a_web] if crew.webs > 1 else []
            dice.shuffle(deck)
        act = deck.pop()(dice, crew)
        at_s = max(at_s, *(free_at[name] for name in act.hits))
        ends_s = at_s + act.lasts_s
        if ends_s > seconds:
            return found
        found.append(Due(at_s, act))
        free_at |= dict.fromkeys(act.hits, ends_s + GAP_S[0])
        at_s = at_s + act.lasts_s * dice.random() if dice.random() < OVERLAP else ends_s + dice.uniform(*GAP_S)


def in_turn(acts: list[Act], seed: int, gap_s: float) -> list[Due]:
    """These acts in an order of the seed's, each some moments after the end of the one before."""
    dice = random.Random(seed)
    dice.shuffle(acts)
    found: list[Due] = []
    at_s = 1.0
    for act in acts:
        found.append(Due(at_s, act))
        at_s += act.lasts_s + gap_s * dice.uniform(0.5, 1.5)
    return found


# --- the acts --------------------------------------------------------------------------------------------------------


def kill(name: str) -> Act:
    return Act(f"SIGKILL {name}", 0, lambda site: site.signal(name, signal.SIGKILL), lambda site: None, (name,))


def keep_away(name: str, lasts_s: float) -> Act:
    return Act(
        f"SIGKILL {name}, kept away",
        lasts_s,
        lambda site: site.keep_away(name),
        lambda site: site.call_back(name),
        (name,),
    )


def take_over(names: tuple[str, ...], lasts_s: float) -> Act:
    """Of those who may take the same areas, whoever does is killed and kept away."""
    gone: list[str] = []

    def begin(site: Site) -> None:
        gone.append(site.leader(names) or names[0])
        site.keep_away(gone[-1])

    return Act("SIGKILL who leads, another takes over", lasts_s, begin, lambda site: site.call_back(gone.pop()), names)


def pause(name: str, lasts_s: float) -> Act:
    return Act(
        f"SIGSTOP {name}",
        lasts_s,
        lambda site: site.signal(name, signal.SIGSTOP),
        lambda site: site.signal(name, signal.SIGCONT),
        (name,),
    )


def cut(one: str, other: str, mode: str, lasts_s: float) -> Act:
    def set_to(wanted: str) -> Callable[[Site], None]:
        return lambda site: site.roads[one, other].set(wanted)

    return Act(f"{one}–{other} {mode}", lasts_s, set_to(mode), set_to(roads.OPEN), (one, other))


def restart_broker(lasts_s: float) -> Act:
    """Stopped, so that it saves."""
    return Act(
        "broker restarted", lasts_s, lambda site: site.broker.stop(), lambda site: site.broker.start(), ("broker",)
    )


def kill_broker(lasts_s: float) -> Act:
    """Without PostgreSQL's being away at the same time: it is asked what it holds, just before."""
    return Act(
        "SIGKILL broker",
        lasts_s,
        lambda site: site.broker.kill(),
        lambda site: site.broker.start(),
        ("broker", "postgres"),
        forgets=True,
    )


def restart_postgres(lasts_s: float, *, immediately: bool) -> Act:
    def begin(site: Site) -> None:
        postgres = site.services.postgres
        if immediately and postgres.process:
            postgres.process.popen.send_signal(signal.SIGQUIT)
            postgres.process.popen.wait(20)
        postgres.stop()

    name = f"PostgreSQL restarted{', immediate shutdown' if immediately else ''}"
    return Act(name, lasts_s, begin, lambda site: site.services.postgres.start(), ("postgres",))


def restart_valkey(lasts_s: float, *, keeps: bool) -> Act:
    def begin(site: Site) -> None:
        valkey = site.services.valkey
        with redis.Redis.from_url(valkey.url) as door:
            door.config_set("save", "3600 1" if keeps else "")
        valkey.stop()
        if not keeps:
            Path(valkey.directory, "dump.rdb").unlink(missing_ok=True)

    name = f"Valkey restarted, {'with' if keeps else 'without'} its memory"
    return Act(name, lasts_s, begin, lambda site: site.services.valkey.start(), ("valkey",))


def step_clock(whose: tuple[str, ...], ahead_s: float, lasts_s: float) -> Act:
    return Act(
        f"clock {ahead_s:+.0f} s",
        lasts_s,
        lambda site: site.set_clock(ahead_s),
        lambda site: site.set_clock(0),
        whose,
        step_s=ahead_s,
    )


# --- by chance -------------------------------------------------------------------------------------------------------


def _kill(dice: random.Random, crew: Crew) -> Act:
    return kill(dice.choice(crew.everybody))


def _kill_worker(dice: random.Random, crew: Crew) -> Act:
    return kill(dice.choice(crew.all_workers))


def _take_over(dice: random.Random, crew: Crew) -> Act:
    return take_over(crew.shards[0], dice.uniform(5, 40))


def _without_a_web(dice: random.Random, crew: Crew) -> Act:
    return keep_away(dice.choice(crew.all_webs), dice.uniform(5, 40))


def _pause(dice: random.Random, crew: Crew) -> Act:
    return pause(dice.choice((*crew.everybody, *SERVICES)), dice.uniform(5, 40))


def _cut(dice: random.Random, crew: Crew) -> Act:
    one, other = dice.choice(crew.roads)
    return cut(one, other, dice.choice(roads.FAULTS), dice.uniform(3, 30))


def _broker(dice: random.Random, crew: Crew) -> Act:
    return restart_broker(dice.uniform(0, 12))


def _kill_broker(dice: random.Random, crew: Crew) -> Act:
    return kill_broker(dice.uniform(0, 12))


def _postgres(dice: random.Random, crew: Crew) -> Act:
    return restart_postgres(dice.uniform(0, 12), immediately=dice.random() < 0.5)


def _valkey(dice: random.Random, crew: Crew) -> Act:
    return restart_valkey(dice.uniform(0, 12), keeps=dice.random() < 0.5)


def _clock(dice: random.Random, crew: Crew) -> Act:
    return step_clock(crew.everybody, dice.choice(STEPS_S), dice.uniform(10, 30))


Maker = Callable[[random.Random, Crew], Act]
MAKERS = [_kill_worker, _kill, _pause, _pause, _cut, _cut, _cut, _broker, _kill_broker, _postgres, _valkey]
