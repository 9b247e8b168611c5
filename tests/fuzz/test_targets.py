"""Whatever comes from outside is read or refused, in bounded time, and what is read fits its columns."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.fuzz.mutation import TOKENS
from tests.fuzz.targets import TARGETS, Target
from tests.properties import fewer

KEPT = [pytest.param(target, path, id=f"{target.name}-{path.name}") for target in TARGETS.values()
        for path in (*target.seeds(), *target.found())]  # fmt: skip


@pytest.mark.parametrize(("target", "path"), KEPT)
def test_what_was_sent_or_found_once_keeps_the_promise(target: Target, path: Path) -> None:
    target.holds(path.read_bytes())


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@fewer(1)
@given(chance=st.randoms(use_true_random=False))
def test_whatever_is_changed_in_it_keeps_the_promise(target: Target, chance: Random) -> None:
    body = target.mutate(chance.choice(target.seeds()).read_bytes(), chance)
    note(repr(body))
    target.holds(body)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@fewer(10)
@given(chance=st.randoms(use_true_random=False))
def test_a_piece_of_it_that_is_repeated_without_end_takes_no_endless_time(target: Target, chance: Random) -> None:
    """Whatever looks back for each sign shows here: half a megabyte of the same."""
    body = chance.choice(target.seeds()).read_bytes()
    begin = chance.randrange(len(body))
    piece = chance.choice([body[begin : begin + chance.randint(1, 40)], chance.choice(TOKENS)])
    note(f"{piece!r} at {begin} of {body!r}")
    target.holds(body[:begin] + piece * (500_000 // len(piece)) + body[begin:])


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@fewer(2)
@given(body=st.binary(max_size=200))
def test_any_bytes_keep_the_promise(target: Target, body: bytes) -> None:
    target.holds(body)
