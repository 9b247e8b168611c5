"""What a check finds: one thing that is wrong, whom it is about, and how badly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

LONGEST_KEY, LONGEST_ABOUT, LONGEST_CHECK = 200, 160, 80
"""In characters. A name that is longer must not stop a whole look."""
Fact = str | int | float | bool | None


class Severity(models.TextChoices):
    """From worst to least."""

    CRITICAL = "critical", _("critical")
    """Guests are without power, or nobody would know if they were: at once, at night too."""
    WARNING = "warning", _("warning")
    """Somebody has to act today."""
    NOTICE = "notice", _("notice")
    """Worth a look when there is time."""


RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong at a moment.

    `code` is one of monitoring/words.py, which tells what it means and what to do. `about` says whom: an area's short
    name, a meter's address; empty for the whole site. `facts` go into the words. `since`: when it began, where that is
    known. `part_of`: the key of the finding that explains this one. `check`: the name of the check that found it.
    """

    code: str
    severity: Severity
    about: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    since: datetime | None = None
    part_of: str = ""
    check: str = ""

    @property
    def key(self) -> str:
        """The same thing has the same key as long as it is wrong."""
        return key(self.code, self.about)


def key(code: str, about: str = "") -> str:
    return (f"{code}:{about}" if about else code)[:LONGEST_KEY]
