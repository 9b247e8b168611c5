"""JSON of any shape, asked for values of one type: what does not fit is left out and complained of. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from django.utils import timezone
from django.utils.translation import gettext_noop as _

MOST_COMPLAINTS = 50
MOST_NUMBER = 10_000_000

Value = TypeVar("Value")


class Unreadable(Exception):
    """No booking can be read from it. `reason` is one of the texts below, to be translated where it is shown."""

    NOT_UTF8 = _("It is not UTF-8.")
    NOT_JSON = _("It is not JSON.")
    TOO_DEEP = _("It is nested too deeply.")
    NO_OBJECT = _("It is JSON, but no booking.")
    NO_NUMBER = _("It has no booking number.")
    BAD_FLAG = _("Whether the guest is checked in, checked out or cancelled cannot be read.")

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


NOT_A_TEXT = _("is no text")
NOT_A_NUMBER = _("is no number")
NOT_A_DATE = _("is no date")
NOT_A_TIME = _("is no time")
NOT_YES_OR_NO = _("is neither yes nor no")
NOT_A_LIST = _("is no list")
NOT_AN_OBJECT = _("has no fields")
OUT_OF_RANGE = _("is out of range")
CUT = _("was too long")
TOO_MANY = _("were too many")
BACKWARDS = _("is before the arrival")


def parse(body: bytes) -> dict[str, Any]:
    """The object that a body holds; its numbers are Decimal. Raises Unreadable."""
    try:
        told = json.loads(body.decode("utf-8-sig"), parse_float=_exact, parse_int=_exact, parse_constant=str)
    except UnicodeDecodeError:
        raise Unreadable(Unreadable.NOT_UTF8) from None
    except RecursionError:
        raise Unreadable(Unreadable.TOO_DEEP) from None
    except ValueError:
        raise Unreadable(Unreadable.NOT_JSON) from None
    if not isinstance(told, dict):
        raise Unreadable(Unreadable.NO_OBJECT)
    return told


@dataclass
class Fields:
    """An object of the body. Its questions answer with a value of the right type, or with nothing and a complaint.

    The case of a field's name does not count: Sirvoy writes both RoomName and arrivalDate.
    """

    told: dict[str, Any]
    path: str = ""
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._values = {key.casefold(): value for key, value in self.told.items()}

    def complain(self, name: str, problem: str) -> None:
        if len(self.complaints) < MOST_COMPLAINTS:
            self.complaints.append(f"{self.path}{name}: {problem}")

    def text(self, name: str, longest: int) -> str:
        """Cut to the column's width; numbers count as text."""
        return self._as(name, lambda value: self._cut(name, _text(value), longest), NOT_A_TEXT) or ""

    def whole(self, name: str, least: int = 0, most: int = MOST_NUMBER) -> int | None:
        number = self._as(name, _decimal, NOT_A_NUMBER)
        if number is None:
            return None
        if number == number.to_integral_value() and least <= number <= most:
            return int(number)
        self.complain(name, OUT_OF_RANGE if number == number.to_integral_value() else NOT_A_NUMBER)
        return None

    def number(self, name: str) -> Decimal | None:
        number = self._as(name, _decimal, NOT_A_NUMBER)
        if number is None or abs(number) <= MOST_NUMBER:
            return None if number is None else round(number, 4)
        self.complain(name, OUT_OF_RANGE)
        return None

    def yes(self, name: str) -> bool:
        return bool(self._as(name, _yes, NOT_YES_OR_NO))

    def flag(self, name: str, otherwise: bool | None = None) -> bool | None:
        """A yes or no that power hangs on. Raises Unreadable where it is neither: nobody is cut by a guess."""
        value = self._values.get(name.casefold())
        if value is None or value == "":
            return otherwise
        told = _yes(value)
        if told is None:
            raise Unreadable(Unreadable.BAD_FLAG)
        return told

    def day(self, name: str) -> date | None:
        """A date of the campsite, within what can be meant."""
        day = self._as(name, _day, NOT_A_DATE)
        if day is None or _is_sane(day):
            return day
        self.complain(name, OUT_OF_RANGE)
        return None

    def moment(self, name: str) -> datetime | None:
        """Aware; without an offset it is by the campsite's clock."""
        moment = self._as(name, _moment, NOT_A_TIME)
        if moment is None or _is_sane(moment):
            return moment
        self.complain(name, OUT_OF_RANGE)
        return None

    def inner(self, name: str) -> Fields:
        value = self._values.get(name.casefold())
        if not isinstance(value, dict):
            if value is not None:
                self.complain(name, NOT_AN_OBJECT)
            value = {}
        return Fields(value, f"{self.path}{name}.", self.complaints)

    def each(self, name: str, most: int) -> Iterator[Fields]:
        """The objects of a list; what is none is complained of, and given as one that tells nothing."""
        values = self._as(name, lambda value: value if isinstance(value, list) else None, NOT_A_LIST) or []
        if len(values) > most:
            self.complain(name, TOO_MANY)
        for number, value in enumerate(values[:most]):
            place = f"{name}[{number}]"
            if not isinstance(value, dict):
                self.complain(place, NOT_AN_OBJECT)
            yield Fields(value if isinstance(value, dict) else {}, f"{self.path}{place}.", self.complaints)

    def has_list(self, name: str) -> bool:
        return isinstance(self._values.get(name.casefold()), list)

    def _as(self, name: str, turn: Callable[[Any], Value | None], problem: str) -> Value | None:
        value = self._values.get(name.casefold())
        if value is None or value == "":
            return None
        found = turn(value)
        if found is None:
            self.complain(name, problem)
        return found

    def _cut(self, name: str, text: str | None, longest: int) -> str | None:
        if text is not None and len(text) > longest:
            self.complain(name, CUT)
        return None if text is None else text[:longest]


# --- values of any type into values of one ----------------------------------------------------------------------------


def _exact(number: str) -> Decimal | str:
    """As it was written; absurd ones stay text, so that one of them does not spoil the rest."""
    try:
        return Decimal(number)
    except InvalidOperation:
        return number


def _text(value: Any) -> str | None:
    """Without what PostgreSQL cannot store: NUL, and halves of characters."""
    if not isinstance(value, str | Decimal):
        return None
    return str(value).replace("\0", "").encode("utf-8", "ignore").decode().strip()


def _decimal(value: Any) -> Decimal | None:
    if not isinstance(value, str | Decimal):
        return None
    text = str(value).strip()
    try:
        number = Decimal(text.replace(",", ".") if "." not in text else text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 30 else None


def _yes(value: Any) -> bool | None:
    if isinstance(value, str | bool | Decimal):
        return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())
    return None


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value.strip()[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None or not _is_sane(moment):
        return moment
    if moment.tzinfo is None:
        moment = timezone.make_aware(moment, timezone.get_default_timezone())
    return moment.astimezone(UTC)


def _is_sane(day: date) -> bool:
    return 2000 <= day.year < 2100
