"""The figures as a table of docs/monitoring.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bench.scenarios.baseline import BASELINE
from bench.scenarios.faults import FAULTS

HEADING = "## What is noticed, and how soon"
ABOUT = """
By `python -m bench.scenarios`: real PostgreSQL, Valkey and Mosquitto, four real Zigbee2MQTTs on simulated radios (72
meters, a report a minute), worker, web and qcluster as they are deployed; nothing is hastened. Seconds from the fault
until the incident opened, and until a person was told (at a local HTTP sink behind an alert route; *worker*: by the
worker's own emergency route); from the mending until a person was told that it is over. Told: how often that it
began, and how often that it is over; the goal is 1 + 1. Looks come each minute and two in a row open an incident: up
to two minutes, by chance of when the first comes. Beside it, from their documentation and not measured, what Uptime
Kuma (a monitor for each port, page and `bridge/state`; 60 s, no retries) and Home Assistant (MQTT discovery) would
show.
"""
COLUMNS = ("what happens", "opened after s", "told after s", "over after s", "told", "what staff read")
HEAD = f"| {' | '.join([*COLUMNS, 'Uptime Kuma, Home Assistant'])} |"
BESIDE_IT = "what else was told"


def write(path: Path, figures: dict[str, Any]) -> None:
    """Put the section where it stands, else at the end."""
    text = path.read_text()
    section = "\n".join([HEADING, ABOUT, HEAD, "|---|---|---|---|---|---|---|", *_rows(figures)]) + "\n"
    found = re.search(rf"^{HEADING}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found:
        text = f"{text[: found.start()]}{section}\n{text[found.end() :]}".rstrip("\n") + "\n"
    else:
        text = f"{text.rstrip()}\n\n{section}"
    path.write_text(text)


def _rows(figures: dict[str, Any]) -> list[str]:
    return [
        _row(fault.title, figures[fault.name], BASELINE[fault.name], is_emergency=bool(fault.emergency))
        for fault in FAULTS
        if fault.name in figures
    ]


def _row(title: str, told: dict[str, Any], baseline: str, *, is_emergency: bool) -> str:
    by = " (worker)" if is_emergency and told["told_s"] is not None else ""
    often = f"{told['told']} + {told['told_over']}"
    if told["others"]:
        often += f"; {BESIDE_IT}: {len(told['others'])}"
    sentence = told["sentence"].replace("|", "/") or "nothing"
    cells = [title, _seconds(told["opened_s"]), f"{_seconds(told['told_s'])}{by}", _seconds(told["over_s"])]
    return f"| {' | '.join([*cells, often, sentence, baseline])} |"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
