"""The rules: what to do where a relay is not as wanted. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meters.commands.rules import Act, Facts, Limits, decide
from meters.models import Want

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
LIMITS = Limits(session=NOW - timedelta(hours=1), fresh=timedelta(minutes=15), corrections_an_hour=3)
Hold = Want.Hold


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


# Wanted off by the booking and done a while ago; on since a moment ago.
UNASKED_ON = Facts(
    source="policy",
    state=False,
    since=ago(30),
    fulfilled_at=ago(29),
    hold="",
    hold_at=None,
    relay=True,
    relay_at=ago(1),
    current_a=2.0,
    is_online=True,
    available_since=ago(600),
    announced_at=None,
    may_act=True,
    is_stopped=False,
    never_cut=False,
    by_hand_only=False,
    last_status="confirmed",
    last_failure="",
    last_finished_at=ago(29),
    last_created_at=ago(30),
    corrections=0,
)
UNASKED_OFF = replace(UNASKED_ON, state=True, relay=False, current_a=0.0)
NEW_ON = replace(UNASKED_OFF, fulfilled_at=None, since=ago(1), last_status="", last_finished_at=None)


def decided(facts: Facts, *, limits: Limits = LIMITS, **other: Any) -> Act | Hold:
    return decide(replace(facts, **other), limits, NOW)


def test_a_relay_as_wanted_needs_nothing() -> None:
    assert decided(UNASKED_ON, relay=False, current_a=0.0) is Act.NOTHING
    assert decided(UNASKED_ON, relay=False, is_online=False, is_stopped=True) is Act.NOTHING


def test_an_unasked_on_is_corrected_and_an_unasked_off_only_shown() -> None:
    assert decided(UNASKED_ON) is Act.SWITCH
    assert decided(UNASKED_OFF) is Hold.UNASKED_OFF


@pytest.mark.parametrize(
    ("other", "hold"),
    [
        ({"is_online": False}, Hold.OFFLINE),
        ({"by_hand_only": True}, Hold.MANUAL),
        ({"never_cut": True}, Hold.NEVER_CUT),
        ({"is_stopped": True}, Hold.STOPPED),
        ({"may_act": False}, Hold.OBSERVE),
        ({"corrections": 3}, Hold.FLIPS),
        ({"last_status": "failed"}, Hold.FAILED),
    ],
)
def test_each_reason_to_leave_an_unasked_on_is_told(other: dict[str, Any], hold: Hold) -> None:
    assert decided(UNASKED_ON, **other) is hold


def test_a_pitch_that_is_never_cut_is_switched_on() -> None:
    assert decided(NEW_ON, never_cut=True) is Act.SWITCH


def test_an_on_is_sent_only_on_a_fresh_decision() -> None:
    assert decided(NEW_ON, source="staff") is Act.SWITCH
    assert decided(NEW_ON, source="staff", since=ago(16)) is Hold.STALE
    assert decided(NEW_ON, source="policy", since=ago(600)) is Act.SWITCH  # a lease was renewed a moment ago


def test_an_off_stays_decided() -> None:
    assert decided(UNASKED_ON, fulfilled_at=None, source="staff", since=ago(6000)) is Act.SWITCH


def test_drift_is_corrected_only_on_a_position_told_since_we_listen() -> None:
    early = {"relay_at": ago(61)}
    assert decided(UNASKED_ON, **early) is Act.ASK
    assert decided(UNASKED_ON, relay=None) is Act.ASK
    assert decided(UNASKED_ON, relay_at=None) is Act.ASK
    assert decided(UNASKED_ON, limits=replace(LIMITS, session=None)) is Act.ASK
    assert decided(UNASKED_ON, relay_at=ago(60)) is Act.SWITCH


def test_a_position_never_told_is_switched_where_nothing_was_done_yet() -> None:
    assert decided(NEW_ON, relay=None) is Act.SWITCH


# --- the return of power ---------------------------------------------------------------------------------------------

RETURNED = replace(UNASKED_OFF, announced_at=ago(2), relay_at=ago(2))


def test_an_off_after_the_power_came_back_is_put_right_once() -> None:
    assert decided(RETURNED) is Act.SWITCH
    assert decided(RETURNED, last_created_at=ago(1)) is Hold.UNASKED_OFF


def test_a_position_from_before_the_power_came_back_is_no_ground() -> None:
    assert decided(RETURNED, relay_at=ago(5)) is Hold.UNASKED_OFF


def test_what_was_off_before_the_power_cut_stays_off() -> None:
    assert decided(RETURNED, hold=Hold.UNASKED_OFF, hold_at=ago(10)) is Hold.UNASKED_OFF


def test_what_went_off_with_the_power_cut_is_put_right() -> None:
    """Its OFF was seen a moment before it announced itself: by the same cut."""
    assert decided(RETURNED, hold=Hold.UNASKED_OFF, hold_at=ago(1)) is Act.SWITCH


def test_that_it_went_off_by_itself_is_not_forgotten_while_it_is_away() -> None:
    assert decided(UNASKED_OFF, hold=Hold.UNASKED_OFF, hold_at=ago(10), is_online=False) is Hold.UNASKED_OFF


def test_a_power_cut_before_the_want_was_fulfilled_proves_nothing() -> None:
    assert decided(RETURNED, fulfilled_at=ago(1)) is Hold.UNASKED_OFF


def test_a_stale_on_is_put_right_by_the_return_of_power() -> None:
    assert decided(RETURNED, fulfilled_at=None, since=ago(60), source="staff", last_created_at=None) is Act.SWITCH


# --- after a failure -------------------------------------------------------------------------------------------------

FAILED = replace(UNASKED_ON, last_status="failed", last_finished_at=ago(10), fulfilled_at=None)


def test_what_failed_is_tried_again_when_the_meter_was_away_and_is_back() -> None:
    assert decided(FAILED) is Hold.FAILED
    assert decided(FAILED, available_since=ago(5)) is Act.SWITCH
    assert decided(FAILED, announced_at=ago(5)) is Act.SWITCH
    assert decided(FAILED, available_since=ago(11)) is Hold.FAILED


@pytest.mark.parametrize("status", ["expired", "superseded", "cancelled"])
def test_what_was_never_done_is_no_failure(status: str) -> None:
    assert decided(FAILED, last_status=status) is Act.SWITCH


# --- a welded relay --------------------------------------------------------------------------------------------------

WELDED = replace(UNASKED_ON, relay=False, last_status="failed", newest_failure="load", current_a=1.5)


def test_a_welded_relay_is_held_until_its_current_is_gone() -> None:
    assert decided(WELDED) is Hold.LOAD
    assert decided(WELDED, current_a=None) is Hold.LOAD
    assert decided(WELDED, current_a=0.05) is Act.NOTHING


def test_a_welded_relay_that_says_on_has_failed() -> None:
    assert decided(WELDED, relay=True) is Hold.FAILED


def test_a_welded_relay_that_is_wanted_on_is_switched_on() -> None:
    assert decided(NEW_ON, newest_failure="load", last_status="") is Act.SWITCH


def test_a_relay_that_cannot_be_asked_is_switched_on_what_it_told_before() -> None:
    assert decided(UNASKED_ON, is_readable=False, relay_at=ago(61)) is Act.SWITCH
