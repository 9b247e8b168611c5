"""Fails where a package has a known vulnerability that nobody has accepted; says it where nobody could look.

Where the advisories cannot be reached nothing is known, and nothing fails: but it is never said that all is well.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

ACCEPTED = Path(__file__).parent / "accepted"
TIMEOUT_S = 300


@dataclass(frozen=True)
class Accepted:
    id: str
    until: date
    why: str


def accepted(lines: Iterable[str]) -> list[Accepted]:
    """Raises ValueError for a line without a day or a reason."""
    found = []
    for line in lines:
        if line.strip() and not line.startswith("#"):
            told = re.fullmatch(r"([A-Z]+-\S+)\s+(\d{4}-\d\d-\d\d)\s+(\S.*)", line.strip())
            if not told:
                raise ValueError(f"a number, a day and a reason are needed: {line.strip()}")
            found.append(Accepted(told[1], date.fromisoformat(told[2]), told[3]))
    return found


def vulnerable(told: dict[str, Any], but_for: Iterable[Accepted], today: date) -> Iterator[str]:
    """A line for each vulnerability that stops the build. `told`: what pip-audit says in JSON."""
    passes = {each.id for each in but_for if today <= each.until}
    for package in told["dependencies"]:
        for each in package.get("vulns", []):
            if passes.isdisjoint({each["id"], *each.get("aliases", [])}):
                mended = ", ".join(each.get("fix_versions", [])) or "no version yet"
                yield f"{package['name']} {package['version']}: {each['id']}, mended in {mended}"


def unknown(told: dict[str, Any]) -> list[str]:
    """The packages of which nothing could be learnt."""
    return [package["name"] for package in told["dependencies"] if "skip_reason" in package]


def ask(words: list[str]) -> dict[str, Any] | None:
    """What pip-audit found; None where it could not look."""
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        told: dict[str, Any] = json.loads(ran.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return told


def judge(told: dict[str, Any] | None, but_for: Iterable[Accepted], today: date) -> tuple[int, list[str]]:
    """The exit code, and what is said."""
    if told is None or len(unknown(told)) == len(told["dependencies"]):
        return 0, ["NOT CHECKED for known vulnerabilities: the advisories could not be reached from here."]
    found = list(vulnerable(told, but_for, today))
    silent = unknown(told)
    said = [f"nothing could be learnt of: {', '.join(silent)}"] if silent else []
    looked = len(told["dependencies"]) - len(silent)
    return bool(found), [*found, *said, f"{looked} packages were looked at, {len(found)} known vulnerabilities"]


def main() -> int:
    code, said = judge(ask(sys.argv[1:]), accepted(ACCEPTED.read_text().splitlines()), date.today())  # noqa: DTZ011
    print("\n".join(said))
    return code


if __name__ == "__main__":
    sys.exit(main())
