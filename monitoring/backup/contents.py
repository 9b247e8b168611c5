"""What the backup of a Zigbee2MQTT holds: a zip becomes a frozen type, or a named error. Pure: nothing touches a disk.

What is in it is believed no more than any message: it is read in bounds, and nothing of it is ever called by a name.
"""

from __future__ import annotations

import io
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import orjson
import yaml
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from monitoring.backup import BackupError

CONFIGURATION, DATABASE, COORDINATOR = "configuration.yaml", "database.db", "coordinator_backup.json"
MOST_BYTES = 64 * 1024 * 1024
"""Unpacked, of all files together."""
MOST_FILES, MOST_NODES, MOST_LEVELS, MOST_TEXT = 2000, 200_000, 50, 4 * 1024 * 1024
MOST_BITS = 128
"""Of a whole number: of a longer one Python makes no text again."""
CODE = (".js", ".mjs", ".cjs")
IEEE_ADDRESS = re.compile(r"0x[0-9a-f]{16}")
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, RuntimeError, NotImplementedError, ValueError, IndexError),
)
"""What zipfile raises for one that is damaged, encrypted, of nameless files, or packed as it does not know."""
WORDS: dict[str, Promise] = {
    "no_zip": _("What it sent is no zip that can be opened."),
    "bad_paths": _("The zip names files outside of its own folder; Zigbee2MQTT makes none such."),
    "too_much": _("The zip would unpack to more than %(megabytes)d MB, or to more than %(files)d files."),
    "no_file": _("%(file)s is missing in the zip."),
    "bad_configuration": _("configuration.yaml cannot be read."),
    "bad_database": _("Line %(line)d of database.db cannot be read."),
    "bad_coordinator": _("coordinator_backup.json cannot be read."),
    "no_antenna": _("database.db does not tell of the antenna; no network could be had again from it."),
}


class Unusable(BackupError):
    """Nothing could be restored from this zip. `str()` is for people."""

    def __init__(self, code: str, **facts: str | int) -> None:
        super().__init__(code, facts)
        self.code, self.facts = code, facts

    def __str__(self) -> str:
        return str(WORDS[self.code]) % self.facts


@dataclass(frozen=True, slots=True)
class Entry:
    """A device of database.db, with the name that configuration.yaml gives it.

    `reports`: what it was told to report, as endpoint/cluster/attribute with intervals in s and the least change.
    """

    ieee_address: str
    name: str
    type: str
    model_id: str
    manufacturer: str
    software_build: str
    reports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """`files`: name → bytes, unpacked. `code`: of converters and extensions of the site's own, name → SHA-256.
    `configuration` holds secrets, and `network_key` is one."""

    files: Mapping[str, int]
    code: Mapping[str, str]
    configuration: Mapping[str, Any] = field(repr=False)
    devices: tuple[Entry, ...]
    groups: tuple[Mapping[str, Any], ...]
    has_coordinator: bool
    network_key: str = field(repr=False)


class _Plainly(yaml.CSafeLoader):
    """YAML as Zigbee2MQTT writes it. `<<` is a key like any other: merging may multiply a small file without bounds."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        for key, _value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                key.tag = "tag:yaml.org,2002:str"


def read(packed: bytes) -> Contents:
    """Raises Unusable."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            files = _files(archive)
            if archive.testzip() is not None:
                raise Unusable("no_zip")
            return _contents(archive, files)
    except BROKEN:
        raise Unusable("no_zip") from None


def _files(archive: zipfile.ZipFile) -> dict[str, int]:
    """What it says that it holds; zipfile unpacks no more than that of each."""
    listed = [each for each in archive.infolist() if not each.is_dir()]
    if len(listed) > MOST_FILES or sum(each.file_size for each in listed) > MOST_BYTES:
        raise Unusable("too_much", megabytes=MOST_BYTES >> 20, files=MOST_FILES)
    for path in (kind(each.filename) for each in listed for kind in (PurePosixPath, PureWindowsPath)):
        if path.is_absolute() or path.drive or ".." in path.parts:
            raise Unusable("bad_paths")
    return {each.filename: each.file_size for each in listed}


def _contents(archive: zipfile.ZipFile, files: Mapping[str, int]) -> Contents:
    for needed in (CONFIGURATION, DATABASE):
        if needed not in files:
            raise Unusable("no_file", file=needed)
    configuration = _yaml(archive, CONFIGURATION)
    if not isinstance(configuration, dict):
        raise Unusable("bad_configuration")
    for part in ("devices", "groups"):
        configuration[part] = _written_apart(archive, configuration.get(part))
    lines = list(_lines(archive.read(DATABASE)))
    if not any(line["type"] == "Coordinator" for line in lines):
        raise Unusable("no_antenna")
    return Contents(
        files=files,
        code={name: sha256(archive.read(name)).hexdigest() for name in sorted(files) if name.endswith(CODE)},
        configuration=configuration,
        devices=_devices(lines, configuration["devices"]),
        groups=tuple(line for line in lines if line["type"] == "Group"),
        has_coordinator=COORDINATOR in files,
        network_key=_network_key(archive, files),
    )


# --- configuration.yaml ----------------------------------------------------------------------------------------------


def _yaml(archive: zipfile.ZipFile, name: str) -> Any:
    try:
        if archive.getinfo(name).file_size > MOST_TEXT:
            raise Unusable("bad_configuration")
        told = yaml.load(archive.read(name), _Plainly)  # noqa: S506  (a safe loader)
    except (yaml.YAMLError, ValueError, KeyError, RecursionError):
        raise Unusable("bad_configuration") from None
    if not _is_bounded(told):
        raise Unusable("bad_configuration")
    return told


def _is_bounded(tree: Any) -> bool:
    """Whether it is a tree of a decent size: a short text can stand for one without end."""
    todo, seen = [(tree, MOST_LEVELS)], 0
    while todo and seen <= MOST_NODES:
        each, levels = todo.pop()
        seen += 1
        if levels and isinstance(each, dict | list | tuple):  # YAML's !!pairs are tuples, and may hold themselves
            inside = [*each, *each.values()] if isinstance(each, dict) else each
            todo += [(inner, levels - 1) for inner in inside]
        elif not levels or (isinstance(each, int) and each.bit_length() > MOST_BITS):
            return False
    return not todo


def _written_apart(archive: zipfile.ZipFile, told: Any) -> dict[Any, Any]:
    """Devices and groups may stand in files of their own, which configuration.yaml then names."""
    names = [told] if isinstance(told, str) else told if isinstance(told, list) else []
    found = dict(told) if isinstance(told, dict) else {}
    for name in names:
        part = _yaml(archive, str(name))
        found |= part if isinstance(part, dict) else {}
    return found


# --- database.db -----------------------------------------------------------------------------------------------------


def _lines(database: bytes) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(database.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            told = orjson.loads(line)
            is_device = told["type"] != "Group"
            if is_device and not IEEE_ADDRESS.fullmatch(told["ieeeAddr"]):
                raise ValueError
            if not is_device and not _is_bounded(told):  # it is shown as it stands there
                raise ValueError
        except (ValueError, TypeError, KeyError):
            raise Unusable("bad_database", line=number) from None
        yield told


def _devices(lines: Sequence[Mapping[str, Any]], named: Mapping[Any, Any]) -> tuple[Entry, ...]:
    found = {line["ieeeAddr"]: _entry(line, named) for line in lines if line["type"] not in ("Coordinator", "Group")}
    return tuple(found[address] for address in sorted(found))


def _entry(line: Mapping[str, Any], named: Mapping[Any, Any]) -> Entry:
    options = named.get(line["ieeeAddr"])
    return Entry(
        ieee_address=line["ieeeAddr"],
        name=_text(options, "friendly_name"),
        type=_text(line, "type"),
        model_id=_text(line, "modelId"),
        manufacturer=_text(line, "manufName"),
        software_build=_text(line, "swBuildId"),
        reports=tuple(sorted(_reports(line.get("endpoints")))),
    )


def _reports(endpoints: Any) -> Iterator[str]:
    for number, endpoint in endpoints.items() if isinstance(endpoints, dict) else []:
        told = endpoint.get("configuredReportings") if isinstance(endpoint, dict) else None
        for each in told if isinstance(told, list) else []:
            with suppress(KeyError, TypeError):
                place = f"{number}/{each['cluster']}/{each['attrId']}"
                yield f"{place}: {each['minRepIntval']}-{each['maxRepIntval']} s, {each['repChange']}"[:100]


def _text(told: Any, key: str) -> str:
    value = told.get(key) if isinstance(told, dict) else None
    return str(value)[:250] if isinstance(value, str | int | float) else ""


# --- coordinator_backup.json -----------------------------------------------------------------------------------------


def _network_key(archive: zipfile.ZipFile, files: Mapping[str, int]) -> str:
    """As it stands in the antenna's own backup; empty where there is none."""
    if COORDINATOR not in files:
        return ""
    try:
        told = json.loads(archive.read(COORDINATOR))
        return str(told["network_key"]["key"]).lower()
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Unusable("bad_coordinator") from None
