"""Cells become values, or a named error. Pure: tolerant of how spreadsheets and people write, never guessing."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation

YES = {"t", "true", "1", "yes", "y", "ja", "j", "sand", "on"}
NO = {"f", "false", "0", "no", "n", "nej", "falsk", "off"}
MOMENT = re.compile(
    r"(?P<day>\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{4})"
    r"(?:[T ]+(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"\s*(?P<zone>Z|UTC|[+-]\d{2}(?::?\d{2})?)?"
)
MOST = 10**18
MOST_KWH = Decimal(2_000_000)
"""More than a counter of ours can hold (int4 in Wh)."""


class BadValue(ValueError):
    """A cell that makes no sense; the text is for people, and quotes nothing of it."""


def number(text: str) -> Decimal:
    """1234.5, 1234,5, 1.234,5 or 1,234.5: of two signs the last one parts the fraction, a single one does as well."""
    plain = text.strip().replace(" ", "").replace("\xa0", "").removesuffix("kWh")
    if "," in plain and "." in plain:
        thousands = "." if plain.rindex(",") > plain.rindex(".") else ","
        plain = plain.replace(thousands, "")
    try:
        found = Decimal(plain.replace(",", "."))
    except InvalidOperation:
        raise BadValue("this is no number") from None
    if not found.is_finite() or not -MOST < found < MOST:  # 1e999999999 has a billion digits, 1e400 is no float
        raise BadValue("this is no number")
    return found


def kwh(text: str) -> Decimal:
    """A counter's value."""
    found = number(text)
    if not 0 <= found <= MOST_KWH:
        raise BadValue("no counter of kWh stands there")
    return found.quantize(Decimal("0.001"))


def whole(text: str) -> int:
    found = number(text)
    if found != int(found):
        raise BadValue("this is no whole number")
    return int(found)


def yes(text: str) -> bool:
    plain = text.strip().casefold()
    if plain not in YES | NO:
        raise BadValue("this is neither yes nor no")
    return plain in YES


def moment(text: str, clock: tzinfo) -> datetime:
    """2026-07-31 12:00:00.5+02, 2026-07-31T10:00:00Z, 31-07-2026 12.00; without an offset by `clock`.

    Of an hour that the clock has twice, the first one. Of a day alone its beginning.
    """
    found = MOMENT.fullmatch(text.strip())
    if not found:
        raise BadValue("a time must be like 2026-07-31 12:00:00+02")
    try:
        at = time(int(found["hour"] or 0), int(found["minute"] or 0), int(found["second"] or 0))
    except ValueError:
        raise BadValue("there is no such time") from None
    zone = _zone(found["zone"]) if found["zone"] else clock
    told = datetime.combine(day(found["day"]), at, zone)
    return told.astimezone(UTC) + timedelta(microseconds=int((found["fraction"] or "")[:6].ljust(6, "0")))


def has_zone(text: str) -> bool:
    """Whether a time says by which clock it is."""
    found = MOMENT.fullmatch(text.strip())
    return bool(found and found["zone"])


def day(text: str) -> date:
    """YYYY-MM-DD or DD-MM-YYYY, also with dots and slashes; a time after it does not count."""
    parts = [int(part[:5]) for part in re.findall(r"\d+", re.split(r"[T ]", text.strip())[0])]
    if len(parts) != 3:
        raise BadValue("a day must be like 2026-07-31")
    year, month, of_month = parts if parts[0] > 31 else parts[::-1]
    try:
        found = date(year, month, of_month)
    except ValueError:
        raise BadValue("there is no such day") from None
    if not 2000 <= found.year < 2100:
        raise BadValue("there is no such day")
    return found


def ieee(text: str) -> str:
    """0x and sixteen digits; colons, capitals and a missing 0x do not count."""
    digits = re.sub(r"[^0-9a-f]", "", text.strip().casefold().removeprefix("0x"))
    if len(digits) != 16:
        raise BadValue("an IEEE address has sixteen digits")
    return f"0x{digits}"


def several(text: str) -> list[str]:
    """PostgreSQL's {F1,"F 2"} or JSON's ["F1"]; anything else is one."""
    plain = text.strip()
    if plain.startswith("["):
        try:
            told = json.loads(plain)
        except (ValueError, RecursionError):
            raise BadValue("this list cannot be read") from None
        return [text for each in told if each is not None and (text := storable(str(each)).strip())]
    if not (plain.startswith("{") and plain.endswith("}")):
        return [plain] if plain else []
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"|([^,{}]+)', plain)
    found = [re.sub(r"\\(.)", r"\1", quoted) if quoted else bare.strip() for quoted, bare in parts]
    return [each for each in found if each and each != "NULL"]


def storable(text: str) -> str:
    """Without what JSON can spell and no table takes: NUL, and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def document(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise BadValue("this JSON cannot be read") from None
    if not isinstance(found, dict):
        raise BadValue("this JSON is no object")
    return found


def _zone(text: str) -> tzinfo:
    if text in ("Z", "UTC"):
        return UTC
    digits = text.replace(":", "")
    away = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5] or 0))
    if away >= timedelta(hours=24):
        raise BadValue("there is no such time")
    return timezone(-away if digits[0] == "-" else away)
