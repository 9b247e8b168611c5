"""Which of a booking's parties is which of the rooms that Sirvoy now names. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def match(known: Sequence[Hashable], told: Sequence[Hashable]) -> tuple[list[int | None], list[int]]:
    """For each room told: the index of the known party that has it, None for a new one; and the surplus parties.

    Both are rooms, in the order of their positions. Who keeps his room is the same party; the others are taken in
    order, and have moved.
    """
    free = list(range(len(known)))
    found: list[int | None] = [None] * len(told)
    for position, room in enumerate(told):
        same = next((index for index in free if known[index] == room), None)
        if same is not None:
            found[position] = same
            free.remove(same)
    for position in range(len(told)):
        if found[position] is None and free:
            found[position] = free.pop(0)
    return found, free
