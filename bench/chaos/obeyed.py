"""What people asked for beside what the relays did, and what the product says of it. Each finding is a sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg

from bench.chaos.compare import _few
from bench.chaos.load import Move
from bench.chaos.people import Asked
from bench.chaos.site import DEADLINE_S

GRACE_S = 4.0
COMMANDS = (
    "SELECT c.id, d.ieee_address, c.state, c.status, c.attempts, c.automatic, extract(epoch FROM c.asked_at)::float8, "
    "extract(epoch FROM c.confirmed_at)::float8 FROM meters_command c JOIN meters_meter m ON m.id = c.meter_id "
    "JOIN meters_device d ON d.id = m.device_id ORDER BY c.id"
)
OPEN = ("queued", "sent", "acknowledged")
Late = Callable[[float], float]
"""For how long a fault may have kept back, until this moment, what was sent before it."""
TrueTimes = Callable[[float], list[float]]
"""When it may have been in the world what the tables call this moment."""


def judge(
    database: psycopg.Connection[Any],
    asked: Sequence[Asked],
    at_last: Sequence[int],
    moves: Sequence[Move],
    late: Late,
    true_times: TrueTimes,
) -> list[str]:
    """`at_last`: commands of when all was well."""
    rows = list(database.execute(COMMANDS))
    of_meter: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        of_meter[row[1]].append(row)
    wishes: dict[str, list[Asked]] = defaultdict(list)
    for each in asked:
        wishes[each.ieee].append(each)
    did: dict[str, list[Move]] = defaultdict(list)
    for move in moves:
        did[move.ieee].append(move)
    return [
        *_few("orders", _orders(database, asked, {row[0] for row in rows})),
        *_few("still open", (f"command {row[0]}" for row in rows if row[3] in OPEN)),
        *_few("a relay moved and nobody wanted it", _unwanted(wishes, did, late)),
        *_few("sent more often than told", _too_often(wishes, of_meter, did)),
        *_few("not as wanted last", _last(wishes, of_meter, did)),
        *_few("when all was well", _in_vain(rows, at_last)),
        *_few("confirmed and not so", _confirmed(of_meter, did, true_times)),
    ]


def _orders(database: psycopg.Connection[Any], asked: Sequence[Asked], commands: set[int]) -> Iterator[str]:
    """Asked again and again with one key, it was one order."""
    found = database.execute("SELECT count(*) FROM meters_order WHERE key LIKE 'chaos-%'").fetchone()
    if found is None or found[0] != len(asked):
        yield f"{found} orders, {len(asked)} were asked for"
    for each in asked:
        if each.command not in commands:
            yield f"command {each.command} was answered, and is not there"


def _unwanted(wishes: dict[str, list[Asked]], did: dict[str, list[Move]], late: Late) -> Iterator[str]:
    """A relay moves only to what is wanted, or was a moment ago; on, only on a decision of a moment ago."""
    for ieee, moves in did.items():
        mine = wishes.get(ieee, [])
        ends = [*(following.answered_at for following in mine[1:]), float("inf")]
        for move in moves:
            may = GRACE_S + late(move.at)
            if move.moved and not any(_allows(wish, end, move, may) for wish, end in zip(mine, ends, strict=False)):
                last, word = [wish for wish in mine if wish.first_at <= move.at][-1:], "on" if move.state else "off"
                yield f"{ieee} went {word} at {move.at:.1f} (may {may:.0f} s); wanted last {last}"


def _allows(wish: Asked, replaced_at: float, move: Move, may_s: float) -> bool:
    if wish.state != move.state or move.at < wish.first_at or move.at > replaced_at + may_s:
        return False
    return not move.state or move.at <= wish.answered_at + DEADLINE_S + may_s


def _too_often(
    wishes: dict[str, list[Asked]], of_meter: dict[str, list[Any]], did: dict[str, list[Move]]
) -> Iterator[str]:
    """A later wish for the same takes over what is under way, whose attempts then count anew."""
    for ieee, moves in did.items():
        for state in (True, False):
            mine = [row for row in of_meter[ieee] if row[2] == state]
            wanted = [wish.command for wish in wishes.get(ieee, []) if wish.state == state]
            told = sum(row[4] for row in mine) + 2 * (len(wanted) - len(set(wanted)))
            heard = [move.at for move in moves if move.state == state]
            if len(heard) > told:
                yield f"{ieee} {'on' if state else 'off'}: heard at {heard}, by the table {told} times: {mine}"


def _last(wishes: dict[str, list[Asked]], of_meter: dict[str, list[Any]], did: dict[str, list[Move]]) -> Iterator[str]:
    """A command that failed or ran out may have left the relay as it was; what then is said of it is compared apart."""
    for ieee, mine in wishes.items():
        wanted, last = mine[-1].state, of_meter[ieee][-1]
        is_on = did[ieee][-1].state if did[ieee] else True
        if last[2] != wanted:
            yield f"{ieee}: wanted {wanted}, its last command is for {last[2]}"
        elif last[3] == "confirmed" and is_on != wanted:
            yield f"{ieee}: command {last[0]} is confirmed, the relay is {is_on}"
        elif last[3] not in ("confirmed", "failed", "expired"):
            yield f"{ieee}: command {last[0]} ended {last[3]}"


def _in_vain(rows: Sequence[Any], at_last: Sequence[int]) -> Iterator[str]:
    """Then nothing may fail or run out."""
    status = {row[0]: row[3] for row in rows}
    return (f"command {each} is {status.get(each)}" for each in at_last if status.get(each) != "confirmed")


def _confirmed(of_meter: dict[str, list[Any]], did: dict[str, list[Move]], true_times: TrueTimes) -> Iterator[str]:
    """Between the question and the confirmation the relay was so."""
    for ieee, rows in of_meter.items():
        for number, _, state, status, _, _, asked_at, confirmed_at in rows:
            if status != "confirmed" or confirmed_at is None:
                continue
            begun, ended = min(true_times(asked_at or confirmed_at)) - 1, max(true_times(confirmed_at))
            before = [move.state for move in did[ieee] if move.at <= begun][-1:] or [True]
            during = [move.state for move in did[ieee] if begun < move.at <= ended]
            if state not in [*before, *during]:
                yield f"command {number} of {ieee}: {state}, the relay was {[*before, *during]}"
