"""What came of the comparisons: a line a minute, and at the end every fault."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bench.twins.truth import Finding

GOES_ON_S = 100.0
"""What is found again so soon is the same fault; what was said first stays."""


@dataclass
class Fault:
    """A difference that nothing explains. Times are seconds of the run."""

    subject: str
    what: str
    said: Any
    is_: Any
    since_s: float
    until_s: float
    context: str


class Report:
    def __init__(self) -> None:
        self.began = time.time()
        self.faults: list[Fault] = []
        self.explained: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
        self.passing: Counter[str] = Counter()
        self.rows: list[dict[str, Any]] = []
        self.notes: dict[str, Any] = {}

    def passed_s(self) -> float:
        return time.time() - self.began

    def note_minute(
        self, steps: Counter[str], values: int, found: Collection[Finding], shares: Mapping[str, float]
    ) -> None:
        """A look's first comparison; `shares`: percent of a core by process since the last one."""
        whys = Counter(finding.why for finding in found if finding.why)
        row = {"minute": round(self.passed_s() / 60, 1), "steps": dict(steps), "values": values, "explained": whys}
        row |= {"differ": len(found), "open": sum(not finding.why for finding in found), "cpu": shares}
        self.rows.append(row)
        for finding in found:
            if finding.why:
                self._explain((finding.subject, finding.what, finding.why), self.passed_s())
        cpu = " ".join(f"{name} {share:.0f}" for name, share in shares.items())
        told = ", ".join(f"{why} {count}" for why, count in whys.most_common())
        self.say(f"{values} values, {len(found)} differ, {row['open']} to be looked at again | {told} | cpu % {cpu}")
        self.say("  " + ", ".join(f"{verb} {count}" for verb, count in sorted(steps.items())))

    def note_second_look(
        self, first: Iterable[Finding], second: Collection[Finding], context: Mapping[str, str]
    ) -> None:
        """What still differs without explanation is a fault; one that goes on is the same fault."""
        still = {(finding.subject, finding.what): finding for finding in second if not finding.why}
        for finding in first:
            key = finding.subject, finding.what
            if key in still:
                self._note(still[key], context.get(finding.subject, ""))
            else:
                self.passing[finding.what] += 1

    def _explain(self, key: tuple[str, str, str], now_s: float) -> None:
        spells = self.explained.setdefault(key, [])
        if spells and now_s - spells[-1][1] < GOES_ON_S:
            spells[-1] = (spells[-1][0], now_s)
        else:
            spells.append((now_s, now_s))

    def _note(self, finding: Finding, context: str) -> None:
        now_s = self.passed_s()
        for fault in self.faults:
            is_same = (fault.subject, fault.what) == (finding.subject, finding.what)
            if is_same and now_s - fault.until_s < GOES_ON_S:
                fault.until_s = now_s
                return
        fault = Fault(finding.subject, finding.what, finding.said, finding.is_, now_s, now_s, context)
        self.faults.append(fault)
        self.say("FAULT " + _line(fault))

    def say(self, text: str) -> None:
        print(f"{self.passed_s() / 60:5.1f}  {text}", flush=True)

    def show(self) -> None:
        print(f"\n{'minute':>6}{'compared':>10}{'differ':>8}{'explained':>11}{'looked at again':>17}")
        for row in self.rows:
            explained = sum(row["explained"].values())
            print(f"{row['minute']:6}{row['values']:10}{row['differ']:8}{explained:11}{row['open']:17}")
        longest: dict[tuple[str, str], float] = {}
        for (_, what, why), spells in self.explained.items():
            longest[what, why] = max(longest.get((what, why), 0.0), *(end - begin for begin, end in spells))
        print("\nexplained, the longest of each kind (looks are a minute apart):")
        for (what, why), seconds in sorted(longest.items()):
            print(f"  {what}: {why}, {seconds:.0f} s")
        gone = ", ".join(f"{what} {count}" for what, count in self.passing.most_common())
        print(f"\nright at the second look, seconds later: {gone or 'none'}")
        for name, value in self.notes.items():
            print(f"{name}: {value}")
        print(f"\n{len(self.faults)} faults")
        for fault in self.faults:
            print("  " + _line(fault))

    def told(self) -> dict[str, Any]:
        spells = [(*key, *spell) for key, spells in self.explained.items() for spell in spells]
        return {"rows": self.rows, "faults": [asdict(fault) for fault in self.faults], "explained": spells} | self.notes


def _line(fault: Fault) -> str:
    spell = f"{fault.since_s / 60:.1f} to {fault.until_s / 60:.1f} min"
    return f"{fault.subject} {fault.what}: said {fault.said!r}, is {fault.is_!r}, {spell} ({fault.context})"
