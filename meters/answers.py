"""Whether a relay's position that was told is the meter's answer to our question, and whether it is news."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from meters.directory import Known
from meters.models import MeterState

ANSWERED_WITHIN = timedelta(seconds=3)
"""A position told so soon after it was asked for is the device's own word."""


class Weighed(NamedTuple):
    """`has_moved`: the relay is told to have moved although we did not ask: somebody's button, or somebody's echo."""

    is_answer: bool
    has_moved: bool


NO_NEWS = Weighed(is_answer=False, has_moved=False)


class Answers:
    """Remembers the position last told of each meter. `asked`: when a meter (by id) was last asked; others write it."""

    def __init__(self, asked: Mapping[int, datetime]) -> None:
        self._asked = asked
        self._relays: dict[int, bool | None] | None = None

    def forget(self) -> None:
        """What was told last was not stored: what is stored counts."""
        self._relays = None

    def weigh(self, known: Known, relay: bool | None, at: datetime) -> Weighed:
        """What it means that this meter's position was told at `at`; None: the message told none."""
        meter_id = known.meter_id or 0
        asked_at = self._asked.get(meter_id)
        is_answer = asked_at is not None and asked_at <= at <= asked_at + ANSWERED_WITHIN
        if self._relays is None:
            self._relays = dict(MeterState.objects.values_list("meter_id", "relay"))
        is_news = relay is not None and self._relays.get(meter_id) is not relay
        if not (is_news or is_answer):
            return NO_NEWS  # nearly all are
        if relay is None:
            return Weighed(is_answer, has_moved=False)
        has_moved = not is_answer and is_news
        if is_answer or "state" in known.fresh:  # else each repeat asks again, until the meter has answered
            self._relays[meter_id] = relay
        return Weighed(is_answer, has_moved)
