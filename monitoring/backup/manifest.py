"""What a backup says of itself. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

FILE = "manifest.json"
"""Written last: a folder without one is no backup."""
FORMAT = 1
FOLDER = "%Y%m%dT%H%M%SZ"
LARGEST = 2**63 - 1
PART = re.compile(r"[a-z0-9][\w.-]{0,199}\.age", re.ASCII)
MAJOR = re.compile(r"\d{1,3}(?!\d)")
UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Signs that would move about on whoever's screen it is shown, or that no database takes."""


class ManifestError(Exception):
    """This is no manifest, or one of a later version of this software. The text is the end of a sentence."""


class Kind(StrEnum):
    DATABASE = "database"
    ZIGBEE2MQTT = "zigbee2mqtt"
    FOLDER = "folder"


@dataclass(frozen=True)
class Piece:
    """Something small that is to be backed up, as it is, in memory.

    `facts`: what was counted in it, for whoever opens it again. `warnings`: sentences for people: it is kept, but …
    """

    name: str
    kind: Kind
    content: bytes
    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Missing:
    """What should be in the backup and is not, and why: a sentence for people, without secrets."""

    name: str
    kind: Kind
    why: str


@dataclass(frozen=True)
class Part:
    """A file of the backup. `bytes` and `sha256` are the sealed file's; `plain_bytes` is the size of what is in it.

    `facts` and `warnings` are those of its piece.
    """

    name: str
    kind: Kind
    file: str
    bytes: int
    sha256: str
    plain_bytes: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """`rows`, by table, and `ledger` were read in the very snapshot that was dumped."""

    made_at: datetime
    software: str
    postgres: str
    migrations: tuple[str, ...]
    parts: tuple[Part, ...]
    missing: tuple[Missing, ...]
    rows: dict[str, int]
    ledger: dict[str, int]
    format: int = FORMAT

    @property
    def folder(self) -> str:
        return folder_name(self.made_at)

    @property
    def postgres_major(self) -> int:
        found = MAJOR.match(self.postgres)
        return int(found[0]) if found else 0

    @property
    def size(self) -> int:
        """In bytes, of all files but the manifest itself."""
        return sum(part.bytes for part in self.parts)

    def to_json(self) -> bytes:
        return json.dumps(self.told(), indent=1, sort_keys=True, ensure_ascii=False).encode()

    def told(self) -> dict[str, Any]:
        """As it stands in JSON."""
        return asdict(self) | {"made_at": self.made_at.isoformat()}

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        """Whoever can write to a target can write one: it is trusted no more than any message. Raises ManifestError."""
        try:
            told = _fit(json.loads(content))
            if told["format"] != FORMAT:
                facts = {"theirs": str(told["format"])[:20], "ours": FORMAT}
                raise ManifestError(_("it was made by other software (format %(theirs)s, ours is %(ours)s)") % facts)
            return cls(
                made_at=datetime.fromisoformat(told["made_at"]).astimezone(UTC),
                software=str(told["software"]),
                postgres=_version(told["postgres"]),
                migrations=tuple(map(str, told["migrations"])),
                parts=_parts(told["parts"]),
                missing=tuple(Missing(str(m["name"]), Kind(m["kind"]), str(m["why"])) for m in told["missing"]),
                rows={table: _number(count) for table, count in told["rows"].items()},
                ledger={name: _number(value, -LARGEST) for name, value in told["ledger"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as wrong:
            raise ManifestError(_("its manifest cannot be read")) from wrong


def _parts(told: list[dict[str, Any]]) -> tuple[Part, ...]:
    found = tuple(map(_part, told))
    if len({part.file for part in found}) < len(found):
        raise ValueError("a file that is named twice")
    return found


def _part(told: dict[str, Any]) -> Part:
    """Raises ValueError for a file outside of the backup's folder."""
    part = Part(
        name=str(told["name"]),
        kind=Kind(told["kind"]),
        file=str(told["file"]),
        bytes=_number(told["bytes"], 1),
        sha256=str(told["sha256"]),
        plain_bytes=_number(told["plain_bytes"]),
        facts=dict(told["facts"]),
        warnings=tuple(map(str, told["warnings"])),
    )
    if not PART.fullmatch(part.file):
        raise ValueError("a file outside of the backup")
    if "devices" in part.facts:
        _number(part.facts["devices"])
    return part


def _number(told: Any, least: int = 0) -> int:
    if type(told) is not int or not least <= told <= LARGEST:
        raise ValueError("no number that it could be")
    return told


def _version(told: Any) -> str:
    if not isinstance(told, str) or not MAJOR.match(told):
        raise ValueError("no version of PostgreSQL")
    return told


def _fit(tree: Any) -> Any:
    """Without signs that are unfit to be shown or kept."""
    if isinstance(tree, str):
        return UNFIT.sub(" ", tree)
    if isinstance(tree, list):
        return [_fit(each) for each in tree]
    return {_fit(key): _fit(value) for key, value in tree.items()} if isinstance(tree, dict) else tree


def folder_name(at: datetime) -> str:
    return at.astimezone(UTC).strftime(FOLDER)


def folder_time(name: str) -> datetime | None:
    """When the backup in a folder of this name was begun; none: the folder is not ours."""
    try:
        at = datetime.strptime(name, FOLDER).replace(tzinfo=UTC)
    except ValueError:
        return None
    return at if folder_name(at) == name else None
