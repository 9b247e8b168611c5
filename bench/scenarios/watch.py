"""How soon a fault is noticed, who is told how often, and what: seen from outside, by a clock of its own."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from django.db import Error, connection

from bench.scenarios.faults import Fault
from bench.scenarios.site import Site
from tests.sink import Sink

OVER = "Over: "


@dataclass
class Figures:
    """Seconds, from the fault until the incident opened and until a person was told, from the mending until a person
    was told that it is over. None: it did not happen. `sentence`: what staff read.
    """

    name: str
    opened_s: float | None = None
    told_s: float | None = None
    over_s: float | None = None
    told: int = 0
    told_over: int = 0
    others: list[str] = field(default_factory=list)
    sentence: str = ""
    ready: str = ""


class Run:
    """One fault from its strike to its end."""

    def __init__(self, fault: Fault, site: Site) -> None:
        self.fault, self.figures = fault, Figures(fault.name)
        self.struck_at = self.told_at = self.mended_at = 0.0
        self._site = site
        self._sink = site.emergency if fault.emergency else site.people

    def strike(self) -> None:
        self.struck_at = time.time()
        self.fault.strike(self._site)
        say(f"{self.fault.name}: struck")

    def tick(self) -> bool:
        """False once all is over and told, or will never be."""
        now = time.time()
        if not self.mended_at:
            if self.fault.goes_on:
                self.fault.goes_on(self._site, now - self.struck_at)
            self._notice(now)
            if self._may_be_mended(now):
                self.figures.ready = _ready(self._site.port)
                self.fault.mend(self._site)
                self.mended_at = time.time()
                say(f"{self.fault.name}: mended")
            return True
        return not self._is_over(now)

    def _notice(self, now: float) -> None:
        if self.figures.opened_s is None and (found := self._incident()):
            opened, self.figures.sentence = found
            self.figures.opened_s = opened - self.struck_at
            say(f"{self.fault.name}: opened after {self.figures.opened_s:.0f} s: {self.figures.sentence}")
        if not self.told_at and (told := self._told(is_over=False)):
            self.told_at, text = told[0]
            self.figures.told_s = self.told_at - self.struck_at
            self.figures.sentence = self.figures.sentence or text
            say(f"{self.fault.name}: told after {self.figures.told_s:.0f} s")

    def _may_be_mended(self, now: float) -> bool:
        if self.told_at:
            return now - self.told_at > 60 and now - self.struck_at > self.fault.lasts_s
        return now - self.struck_at > self.fault.gives_up_s

    def _is_over(self, now: float) -> bool:
        if not self.told_at:
            return True
        if self.figures.over_s is None and (told := self._told(is_over=True)):
            at = told[-1][0]
            self.figures.over_s = at - self.mended_at
            say(f"{self.fault.name}: over after {self.figures.over_s:.0f} s")
        return now - self.mended_at > (600 if self.figures.over_s is None else self.figures.over_s + 75)

    def texts(self) -> set[str]:
        """All that people were told of it."""
        return {text for is_over in (False, True) for _, text in self._told(is_over=is_over)}

    def finish(self) -> Figures:
        self.figures.told, self.figures.told_over = len(self._told(is_over=False)), len(self._told(is_over=True))
        return self.figures

    def _incident(self) -> tuple[float, str] | None:
        """When it opened, and its sentence."""
        from monitoring.models import Incident

        mine = Incident.objects.filter(code__in=self.fault.codes, opened_at__isnull=False).order_by("opened_at")
        try:
            for incident in mine.filter(facts__area=self.fault.about) if self.fault.about else mine:
                if incident.opened_at and incident.opened_at.timestamp() >= self.struck_at:
                    return incident.opened_at.timestamp(), incident.what
        except Error:  # the database is away
            connection.close()
        return None

    def _told(self, *, is_over: bool) -> list[tuple[float, str]]:
        """What reached people of this, and when."""
        if word := self.fault.emergency:
            return [(at, text) for at, text in entries(self._sink, self.struck_at) if (word not in text) is is_over]
        return [
            (at, text)
            for at, text in entries(self._sink, self.struck_at)
            if self._is_mine(text) and text.startswith(OVER) is is_over
        ]

    def _is_mine(self, text: str) -> bool:
        from monitoring import words

        for code in (code for code in self.fault.codes if code in words.WORDS):
            pattern = re.sub(r"%\\\((\w+)\\\)s", self._place, re.escape(str(words.WORDS[code].what)))
            if re.search(pattern.replace("%%", "%"), text):
                return True
        return False

    def _place(self, found: re.Match[str]) -> str:
        return self.fault.about if found[1] == "area" and self.fault.about else ".+"


def entries(sink: Sink, since: float) -> list[tuple[float, str]]:
    """Each thing that was told, and when: a message may tell of several."""
    told = zip(list(sink.told), list(sink.told_at), strict=False)
    return [(at, text) for body, at in told if at >= since for text in _texts(body)]


def _texts(body: dict[str, Any]) -> list[str]:
    return [text.partition("\n")[0] for text in str(body["message"]).split("\n\n")]


def _ready(port: int) -> str:
    """The site's own word to machines at this moment."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=20) as answer:
            return f"{answer.status}"
    except urllib.error.HTTPError as refused:
        parts = json.loads(refused.read())["parts"]
        return f"{refused.code}: " + ", ".join(f"{name} {word}" for name, word in parts.items() if word != "ok")
    except OSError as failure:
        return type(failure).__name__


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)
