"""What a command needs next, by the clock. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from meters.models import Command

READ_AFTER = timedelta(seconds=1.5)
"""After the acknowledgement: the relay has moved by then, if it moves."""
READ_AGAIN = timedelta(seconds=8)
READ_PATIENCE = timedelta(seconds=12)
"""A device has 10 s to answer a read."""
LAST_WORD = timedelta(seconds=3)
"""Where positions may be a cache's repeat: the last one within this time after the question counts."""
LOAD_QUESTIONS = (timedelta(seconds=2), timedelta(seconds=14), timedelta(seconds=27))
LOAD_PATIENCE = timedelta(seconds=40)
"""After an OFF was confirmed. A measured 0 is held back for 11 s, so that one question does not do."""


class Step(Enum):
    WAIT = "wait"
    SEND = "send"
    ASK = "ask"
    CONFIRM = "confirm"
    FAIL = "fail"
    ASK_LOAD = "ask_load"
    END_LOAD = "end_load"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a command has come. `is_readable`: the meter tells its position when it is asked; `sent_area_id`: the
    area that it was sent to; `heard_area_id`: the one that hears the meter now.
    """

    status: str
    state: bool
    not_before: datetime | None
    claimed_at: datetime | None
    acknowledged_at: datetime | None
    asked_at: datetime | None
    read_state: bool | None
    confirmed_at: datetime | None
    load_asked_at: datetime | None
    is_readable: bool
    sent_area_id: int | None
    heard_area_id: int | None

    @property
    def is_elsewhere(self) -> bool:
        return self.claimed_at is not None and self.sent_area_id != self.heard_area_id


@dataclass(frozen=True, slots=True)
class Next:
    """What to do at `due`. `failure`: with FAIL, why."""

    step: Step
    due: datetime
    failure: str = ""


def follow(command: Progress, now: datetime, answer_within: timedelta) -> Next:
    """The next step of an open command, or of an OFF whose load is not yet known."""
    if command.confirmed_at is not None and command.status == Command.Status.CONFIRMED:
        return _load(command.confirmed_at, command.load_asked_at)
    if command.claimed_at is None:
        return Next(Step.SEND, command.not_before or now)
    if command.is_elsewhere:
        return Next(Step.FAIL, now, Command.Failure.MOVED)
    if not command.is_readable:
        failure = Command.Failure.UNREAD if command.acknowledged_at else Command.Failure.UNANSWERED
        return Next(Step.FAIL, command.claimed_at + answer_within, failure)
    if command.asked_at is None:
        acknowledged = command.acknowledged_at
        return Next(Step.ASK, acknowledged + READ_AFTER if acknowledged else command.claimed_at + answer_within)
    if command.read_state is not None:
        return Next(Step.CONFIRM, command.asked_at + LAST_WORD)
    return _unread(command.acknowledged_at, command.asked_at)


def _unread(acknowledged_at: datetime | None, asked_at: datetime) -> Next:
    if acknowledged_at is None:
        return Next(Step.FAIL, asked_at + READ_PATIENCE, Command.Failure.UNANSWERED)
    if asked_at < acknowledged_at:
        return Next(Step.ASK, acknowledged_at + READ_AFTER)
    if asked_at - acknowledged_at < READ_AGAIN:
        return Next(Step.ASK, asked_at + READ_AGAIN)
    return Next(Step.FAIL, asked_at + READ_PATIENCE, Command.Failure.UNREAD)


def _load(confirmed_at: datetime, asked_at: datetime | None) -> Next:
    for question in LOAD_QUESTIONS:
        if asked_at is None or asked_at < confirmed_at + question:
            return Next(Step.ASK_LOAD, confirmed_at + question)
    return Next(Step.END_LOAD, confirmed_at + LOAD_PATIENCE)
