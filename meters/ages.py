"""How old something is, in the words of the language that is spoken: for staff and guests. By Babel's copy of CLDR."""

from __future__ import annotations

from datetime import datetime, timedelta

from babel import Locale, dates
from django.utils import translation
from django.utils.translation import gettext

LOCALES = {"en": "en_GB"}
"""English as it is written in Europe: the day before the month."""
STILL_THIS_UNIT = 1.5
"""85 minutes are 85 minutes, not an hour."""


def locale() -> Locale:
    language = (translation.get_language() or "en").partition("-")[0]
    return Locale.parse(LOCALES.get(language, language))


def ago(at: datetime, now: datetime) -> str:
    """ "5 minutes ago"."""
    passed = max(now - at, timedelta(0))
    if passed < timedelta(minutes=1):
        return gettext("just now")
    return dates.format_timedelta(
        -passed, granularity="minute", threshold=STILL_THIS_UNIT, add_direction=True, locale=locale()
    )
