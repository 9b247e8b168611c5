"""What a bringing over did, or would do: line by line, for people. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from meters.legacy.found import Question
from meters.legacy.records import Where


class What(StrEnum):
    MADE = "made"
    KEPT = "left alone"
    OPEN = "could not be decided"


@dataclass(frozen=True, slots=True)
class Entry:
    """`kind`: area, pitch, meter …; `text` says which or why, `do` what a person is to do."""

    what: What
    kind: str
    name: str
    text: str = ""
    do: str = ""
    where: Where | None = None

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.kind} {self.name}{place}: {self.text}" + (f"\n    → {self.do}" if self.do else "")


@dataclass
class Report:
    entries: list[Entry] = field(default_factory=list)

    def made(self, kind: str, name: str, text: str = "", where: Where | None = None) -> None:
        self.entries.append(Entry(What.MADE, kind, name, text, where=where))

    def kept(self, kind: str, name: str, text: str, where: Where | None = None) -> None:
        self.entries.append(Entry(What.KEPT, kind, name, text, where=where))

    def ask(self, kind: str, name: str, why: str, do: str, where: Where | None = None) -> None:
        self.entries.append(Entry(What.OPEN, kind, name, why, do, where))

    def question(self, kind: str, question: Question) -> None:
        self.ask(kind, question.what, question.why, question.do, question.where)

    def of(self, what: What) -> Iterator[Entry]:
        return (entry for entry in self.entries if entry.what is what)

    def counts(self) -> dict[str, Counter[What]]:
        """By kind, in the order in which they were looked at."""
        found: dict[str, Counter[What]] = {}
        for entry in self.entries:
            found.setdefault(entry.kind, Counter())[entry.what] += 1
        return found
