"""What pages say beside a relay's reported position: whether it is as wanted, and what a person is offered to do."""

from __future__ import annotations

from meters.models import Command, Want

Hold = Want.Hold

OFFERED = {
    **dict.fromkeys([Hold.UNASKED_OFF, Hold.STALE, Hold.FAILED, Hold.FLIPS, Hold.LOAD], "again"),
    **dict.fromkeys([Hold.OBSERVE, Hold.STOPPED, Hold.MANUAL], "as_wanted"),
}
"""Where the software leaves a relay alone and a person's click would make it so: the first half of a key of
words.BOARD. Not where the pitch is never cut: nobody is invited to that."""


def of(want: Want | None, relay: bool | None, command: Command | None = None, *, is_online: bool = True) -> str:
    """A key of words.BOARD, of the want in force and the newest command; "" where it is as wanted or not managed.

    Once an attempt has failed it is no longer "being switched", although others follow; while it is parked neither.
    Between the server's messages static/js/board/truth.js follows the same rule.
    """
    if command and command.is_open and not command.failure and (is_online or command.status != Command.Status.QUEUED):
        return "being_switched_on" if command.state else "being_switched_off"
    if want is None:
        return ""
    if want.hold == Hold.LOAD:
        return "should_off_load"
    if relay is want.state:
        return ""
    return ("should_on" if want.state else "should_off") + ("_unknown" if relay is None else "")


def offer(want: Want | None, wish: str) -> str:
    """The key of words.BOARD of what a person is offered to do about this wish, if anything."""
    if want is None or want.hold not in OFFERED or not wish.startswith("should_"):
        return ""
    return f"{OFFERED[Hold(want.hold)]}_{want.word}"
