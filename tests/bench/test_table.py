"""Figures, their verdicts, and where they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import table
from bench.table import Figure
from tests.meters.harness import ROOT


@pytest.mark.parametrize(
    ("value", "baseline", "goal", "verdict"),
    [
        (30.0, 40.0, "≥ 0.6×", "met"),
        (20.0, 40.0, "≥ 0.6×", "missed"),
        (1009.0, None, "≤ 1010", "met"),
        (1011.0, None, "≤ 1010", "missed"),
        (0.0, None, "= 0", "met"),
        (1.0, None, "= 0", "missed"),
        (1.0, None, "", ""),
        (None, 40.0, "≥ 0.6×", "not measured"),
        (30.0, None, "≥ 0.6×", "not measured"),
        (30.0, 0.0, "≥ 0.6×", "not measured"),
    ],
)
def test_a_goal_is_met_by_the_value_or_by_its_ratio(
    value: float | None, baseline: float | None, goal: str, verdict: str
) -> None:
    assert Figure("x", value, "", "y", baseline, goal).verdict == verdict


@pytest.mark.parametrize("goal", ["0.6", "> 1", "≥ fast", "≤ 1 ms", "≥0.6×"])
def test_a_goal_that_nobody_can_judge_is_refused(goal: str) -> None:
    with pytest.raises(ValueError, match="is no goal"):
        Figure("x", 1, goal=goal)


FIGURES = [
    Figure("readings | stored", 21_345.6, "a second", "a null subscriber", 30_000.0, "≥ 0.6×"),
    Figure("lost", 0, "", goal="= 0"),
    Figure("frame time", None, "ms", note="Chromium is not installed"),
]


def test_the_table_tells_value_reference_ratio_and_verdict() -> None:
    lines = table.shown(FIGURES).splitlines()
    wanted = "readings | stored 21,346 a second 30,000 a null subscriber 0.712× ≥ 0.6× met"
    assert " ".join(lines[1].split()) == wanted
    assert "not measured – Chromium is not installed" in lines[3]


def test_figures_are_the_same_after_a_file() -> None:
    facts = {"cores": 2, "commit": "abc"}
    assert table.from_json(table.as_json(facts, FIGURES)) == (facts, FIGURES)


def test_the_markdown_replaces_what_stood_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "bench.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    for _ in range(2):
        table.write_markdown(page, {"cores": 2}, FIGURES)
    told = page.read_text()
    assert told.startswith(f"before\n{table.BEGIN}\n\ncores 2.\n\n| what |")
    assert told.endswith(f"|\n\n{table.END}\nafter\n")
    assert "| readings / stored | 21,346 a second | 30,000 a null subscriber | 0.712× | ≥ 0.6× | met |" in told
    assert "old" not in told


def test_a_page_without_the_marks_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "bench.md"
    page.write_text("nothing\n")
    with pytest.raises(ValueError, match="no place for figures"):
        table.write_markdown(page, {}, FIGURES)
    assert page.read_text() == "nothing\n"


def test_the_document_has_a_place_for_the_figures() -> None:
    page = (ROOT / "docs" / "bench.md").read_text()
    assert page.index(table.BEGIN) < page.index(table.END)
