"""What is read of a Zigbee2MQTT's backup: the real ones are; what could do harm, or brings back nothing, is refused."""

from __future__ import annotations

import itertools
import json
import struct
from typing import Any

import pytest

from monitoring.backup import contents
from monitoring.backup.contents import Unusable
from tests.monitoring.backup import zips


def refused(packed: bytes) -> str:
    with pytest.raises(Unusable) as found:
        contents.read(packed)
    assert str(found.value)
    return found.value.code


def test_devices_are_told_with_their_names_and_what_they_report() -> None:
    found = contents.read(zips.packed(zips.files(2)))
    assert [(each.ieee_address, each.name, each.model_id) for each in found.devices] == [
        (zips.ADDRESS.format(1), "101", "TS011F"),
        (zips.ADDRESS.format(2), "102", "TS011F"),
    ]
    assert found.devices[0].reports == ("1/1794/0: 5-3600 s, 257",)
    assert found.has_coordinator
    assert found.files["state.json"] == 2


def test_the_antenna_and_groups_are_no_devices() -> None:
    files = zips.files(1)
    files["database.db"] += b'\n{"id":9,"type":"Group","groupID":1,"members":[]}\n\n'
    found = contents.read(zips.packed(files))
    assert (len(found.devices), len(found.groups)) == (1, 1)


def test_names_may_stand_in_a_file_of_their_own() -> None:
    files = zips.files(1) | {"configuration.yaml": b"devices: devices.yaml"}
    files |= {"devices.yaml": b"'0xa4c138d630000001':\n  friendly_name: pier\n"}
    assert contents.read(zips.packed(files)).devices[0].name == "pier"


def test_code_of_the_sites_own_is_told_by_what_is_in_it() -> None:
    files = zips.files() | {"external_converters/meter.mjs": b"export default {}"}
    assert list(contents.read(zips.packed(files)).code) == ["external_converters/meter.mjs"]


def test_secrets_do_not_show_where_it_is_printed() -> None:
    found = repr(contents.read(zips.packed(zips.files())))
    assert zips.PASSWORD not in found
    assert bytes(zips.KEY).hex() not in found


@pytest.mark.parametrize(
    ("packed", "code"),
    [
        (b"", "no_zip"),
        (b"PK\x03\x04 and nothing more", "no_zip"),
        (zips.packed(zips.files())[:-40], "no_zip"),
        (zips.packed(zips.files())[:300], "no_zip"),
    ],
    ids=itertools.count(),
)
def test_what_is_no_zip_or_was_cut_is_refused(packed: bytes, code: str) -> None:
    assert refused(packed) == code


def test_a_zip_in_which_a_letter_is_wrong_is_refused() -> None:
    packed = bytearray(zips.packed(zips.files()))
    packed[60] ^= 0xFF
    assert refused(bytes(packed)) == "no_zip"


def test_a_zip_that_asks_for_a_password_is_refused() -> None:
    packed = bytearray(zips.packed(zips.files()))
    place = packed.rindex(b"PK\x01\x02", 0, packed.index(b"PK\x01\x02") + 4)
    struct.pack_into("<H", packed, place + 8, 1)
    assert refused(bytes(packed)) == "no_zip"


@pytest.mark.parametrize("name", ["../../x", "a/../../x", "/etc/passwd", "..\\x", "C:\\x", "\\\\server\\share\\x"])
def test_a_zip_with_a_way_out_of_its_folder_is_refused(name: str) -> None:
    assert refused(zips.packed(zips.files() | {name: b""})) == "bad_paths"


def test_a_zip_that_would_fill_the_memory_is_not_unpacked() -> None:
    packed = zips.packed(zips.files() | {"state.json": bytes(contents.MOST_BYTES)})
    assert len(packed) < 100_000
    assert refused(packed) == "too_much"


def test_a_zip_that_holds_more_than_it_says_is_refused() -> None:
    packed = bytearray(zips.packed(zips.files() | {"state.json": bytes(contents.MOST_BYTES)}))
    place = packed.rindex(b"PK\x01\x02")
    struct.pack_into("<I", packed, place + 24, 5)
    assert refused(bytes(packed)) == "no_zip"


def test_a_zip_of_too_many_files_is_refused() -> None:
    assert refused(zips.packed(zips.files() | {f"log/{n}": b"" for n in range(contents.MOST_FILES)})) == "too_much"


@pytest.mark.parametrize("name", ["configuration.yaml", "database.db"])
def test_what_it_cannot_begin_without_must_be_there(name: str) -> None:
    files = zips.files()
    del files[name]
    assert refused(zips.packed(files)) == "no_file"


def test_an_antenna_that_cannot_be_backed_up_is_told_and_refuses_nothing() -> None:
    files = zips.files()
    del files["coordinator_backup.json"]
    assert not contents.read(zips.packed(files)).has_coordinator


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {k: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [{','.join([f'*{a}'] * 9)}]}}\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "yaml",
    # Numbered: one is four million letters long.
    [
        b"",
        b"- a",
        b"a: [",
        b"\xff\xfe\xfd",
        b"a: !!python/object/apply:os.system [id]",
        b"a: 2026-13-45",
        b"a: " + b"[" * 100_000,
        b"a: " + b"[" * 60 + b"]" * 60,
        b"- " * 100_000,
        b"a: &a [*a]",
        b"a: &a !!pairs [x: *a]",
        b"a: 0x" + b"f" * 5000,
        b"0x" + b"f" * 5000 + b": a",
        LAUGHS.encode(),
        b"a: " + b"9" * contents.MOST_TEXT,
        b"devices: ../../etc/passwd",
    ],
    ids=itertools.count(),
)
def test_a_configuration_that_cannot_be_read_in_bounds_is_refused(yaml: bytes) -> None:
    assert refused(zips.packed(zips.files() | {"configuration.yaml": yaml})) == "bad_configuration"


def test_merging_multiplies_nothing() -> None:
    files = zips.files() | {"configuration.yaml": f"devices: {{}}\ngroups: {{}}\n{MERGES}".encode()}
    assert refused(zips.packed(files)) == "bad_configuration"


@pytest.mark.parametrize(
    "line",
    [
        *(b"{", b"[]", b"7", b"{}", b'{"type":"Router"}', b'{"type":"Router","ieeeAddr":"../x"}', b'{"type":"\xff"}'),
        b'{"type":"Group","members":' + b"[" * 900 + b"]" * 900 + b"}",
    ],
    ids=itertools.count(),
)
def test_a_line_of_the_database_that_cannot_be_read_is_named(line: bytes) -> None:
    files = zips.files(1)
    files["database.db"] += b"\n" + line
    with pytest.raises(Unusable, match=r"Line 3 of database\.db"):
        contents.read(zips.packed(files))


def test_a_database_without_its_antenna_is_refused() -> None:
    assert refused(zips.packed(zips.files() | {"database.db": b""})) == "no_antenna"


@pytest.mark.parametrize("antenna", [b"", b"[]", b"{}", b"[" * 100_000], ids=itertools.count())
def test_an_antennas_memory_that_cannot_be_read_is_refused(antenna: bytes) -> None:
    assert refused(zips.packed(zips.files() | {"coordinator_backup.json": antenna})) == "bad_coordinator"


@pytest.mark.parametrize(
    "told",
    [
        {"endpoints": []},
        {"endpoints": {"1": None}},
        {"endpoints": {"1": {"configuredReportings": [None, {}, {"cluster": 1}]}}},
        {"modelId": None, "manufName": ["x"], "swBuildId": {"a": 1}},
    ],
)
def test_odd_details_of_a_device_are_left_out(told: dict[str, Any]) -> None:
    files = zips.files(0)
    files["database.db"] += b"\n" + json.dumps(zips.device(1, **told)).encode()
    assert contents.read(zips.packed(files)).devices[0].reports in ((), ("1/1794/0: 5-3600 s, 257",))
