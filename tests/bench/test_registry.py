"""That the command finds what it lists, and whom it asks for nothing."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import SimpleNamespace

import pytest

from bench import registry
from bench.__main__ import measured
from bench.run import Run
from bench.table import Figure
from tests.meters.harness import ROOT


@pytest.mark.parametrize("bench", registry.BENCHES, ids=lambda bench: bench.name)
def test_every_bench_of_the_list_can_be_measured(bench: registry.Bench) -> None:
    assert callable(bench.load())


def test_names_are_chosen_in_the_order_that_was_asked_for() -> None:
    assert [bench.name for bench in registry.chosen(["backlog", "ingest"], is_quick=True)] == ["backlog", "ingest"]
    with pytest.raises(KeyError, match="nothing"):
        registry.chosen(["nothing"], is_quick=False)


def test_the_quick_ones_are_some_of_all() -> None:
    every, quick = (registry.chosen([], is_quick=is_quick) for is_quick in (False, True))
    assert every == registry.BENCHES
    assert [bench for bench in every if bench.is_quick] == quick != every


@pytest.mark.parametrize("program", registry.PROGRAMS)
def test_the_long_programs_can_be_started(program: str) -> None:
    """Nobody runs them with the tests: what was renamed beside them would be found a week later."""
    name = program.split()[0]
    is_package = (ROOT / name.replace(".", "/")).is_dir()
    assert callable(importlib.import_module(f"{name}.__main__" if is_package else name).main)


def test_an_unknown_bench_is_refused_before_anything_is_started() -> None:
    words = [sys.executable, "-m", "bench", "--only", "nothing"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "There is no bench 'nothing'; --list tells which there are.",
    )


def breaks(run: Run) -> list[Figure]:
    raise RuntimeError("no disk")


def test_a_bench_that_breaks_is_told_and_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Figure("fine", 1)
    for name, measure in (("breaks", breaks), ("fine", lambda run: [told])):
        monkeypatch.setitem(sys.modules, f"bench.{name}", SimpleNamespace(measure=measure))
    figures, broken = measured(Run.__new__(Run), [registry.Bench("breaks", ""), registry.Bench("fine", "")])
    assert broken == ["breaks"]
    assert [(each.name, each.verdict, each.note) for each in figures] == [
        ("breaks", "not measured", "RuntimeError: no disk"),
        ("fine", "", ""),
    ]
