"""What a command needs next, by the clock. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meters.commands.follow import Next, Progress, Step, follow

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
ANSWER = timedelta(seconds=35)
WAITING = Progress(
    status="queued",
    state=False,
    not_before=None,
    claimed_at=None,
    acknowledged_at=None,
    asked_at=None,
    read_state=None,
    confirmed_at=None,
    load_asked_at=None,
    is_readable=True,
    sent_area_id=1,
    heard_area_id=1,
)
SENT = replace(WAITING, status="sent", claimed_at=NOW)
TAKEN = replace(SENT, status="acknowledged", acknowledged_at=NOW + timedelta(seconds=1))
OFF = replace(TAKEN, status="confirmed", confirmed_at=NOW)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def step(progress: Progress) -> Next:
    return follow(progress, NOW, ANSWER)


def test_a_waiting_command_goes_at_once_or_when_its_gap_is_over() -> None:
    assert step(WAITING) == Next(Step.SEND, NOW)
    assert step(replace(WAITING, not_before=at(70))) == Next(Step.SEND, at(70))


def test_an_acknowledged_one_is_read_soon_and_a_silent_one_after_the_answer_time() -> None:
    assert step(TAKEN) == Next(Step.ASK, at(2.5))
    assert step(SENT) == Next(Step.ASK, at(35))


def test_one_that_was_claimed_and_perhaps_never_sent_is_read_after_the_answer_time_too() -> None:
    assert step(replace(SENT, status="queued")) == Next(Step.ASK, at(35))


def test_the_last_word_counts_after_three_seconds() -> None:
    assert step(replace(TAKEN, asked_at=at(3), read_state=False)) == Next(Step.CONFIRM, at(6))


def test_a_question_without_an_answer_is_asked_again_once_and_then_fails() -> None:
    assert step(replace(TAKEN, asked_at=at(2.5))) == Next(Step.ASK, at(10.5))
    assert step(replace(TAKEN, asked_at=at(10.5))) == Next(Step.FAIL, at(22.5), "unread")


def test_no_sign_at_all_fails_after_the_question_has_had_its_time() -> None:
    assert step(replace(SENT, asked_at=at(35))) == Next(Step.FAIL, at(47), "unanswered")


@pytest.mark.parametrize("progress", [SENT, TAKEN, replace(TAKEN, asked_at=at(3), read_state=False)])
def test_a_meter_that_is_heard_elsewhere_fails_at_once(progress: Progress) -> None:
    assert step(replace(progress, heard_area_id=2)) == Next(Step.FAIL, NOW, "moved")


def test_after_an_off_the_load_is_asked_some_times_and_then_left() -> None:
    asked, due = OFF, []
    while (following := step(asked)).step is Step.ASK_LOAD:
        due.append(following.due)
        asked = replace(asked, load_asked_at=following.due)
    assert due == [at(2), at(14), at(27)]
    assert following == Next(Step.END_LOAD, at(40))


def test_an_echo_that_came_after_the_question_is_followed_by_a_new_question() -> None:
    late = replace(SENT, status="acknowledged", asked_at=at(35), acknowledged_at=at(36))
    assert step(late) == Next(Step.ASK, at(37.5))
    assert step(replace(late, asked_at=at(37.5))) == Next(Step.ASK, at(45.5))


def test_a_meter_that_cannot_be_asked_has_the_answer_time_to_tell_by_itself() -> None:
    assert step(replace(SENT, is_readable=False)) == Next(Step.FAIL, at(35), "unanswered")
    assert step(replace(TAKEN, is_readable=False)) == Next(Step.FAIL, at(35), "unread")
