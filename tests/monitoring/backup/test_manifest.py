"""What a backup says of itself comes back as it was, and anything else is no manifest."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from monitoring.backup.manifest import Kind, Manifest, ManifestError, Missing, Part, folder_name, folder_time

MANIFEST = Manifest(
    made_at=datetime(2026, 11, 29, 2, 15, tzinfo=UTC),
    software="0.1.0",
    postgres="18.6",
    migrations=("meters.0001_initial",),
    parts=(
        Part(
            "database",
            Kind.DATABASE,
            "database.dump.age",
            1000,
            "ab" * 32,
            800,
            {"devices": 3},
            ("One is not listed.",),
        ),
    ),
    missing=(Missing("øst", Kind.ZIGBEE2MQTT, "It did not answer."),),
    rows={"meters_meter": 260},
    ledger={"energy_wh": 1_234_567},
)


def test_it_comes_back_as_it_was():
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    assert (MANIFEST.folder, MANIFEST.size) == ("20261129T021500Z", 1000)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b'{"format": 1}', b"null", b"1", b'"format"'])
def test_anything_else_is_no_manifest(content: bytes):
    with pytest.raises(ManifestError):
        Manifest.from_json(content)


def test_a_manifest_that_was_cut_short_is_none():
    content = MANIFEST.to_json()
    for length in range(len(content)):
        with pytest.raises(ManifestError):
            Manifest.from_json(content[:length])


def test_one_of_a_later_format_is_told():
    told = json.loads(MANIFEST.to_json()) | {"format": 2}
    with pytest.raises(ManifestError, match="format 2"):
        Manifest.from_json(json.dumps(told).encode())


@pytest.mark.parametrize("file", ["../../etc/passwd", "/etc/passwd", "..\\x", ".hidden"])
def test_a_part_lies_in_the_backups_own_folder(file: str):
    wrong = replace(MANIFEST, parts=(replace(MANIFEST.parts[0], file=file),))
    with pytest.raises(ManifestError):
        Manifest.from_json(wrong.to_json())


@pytest.mark.parametrize(
    "name", ["20261129", "lost+found", "20261129T021500", "20261329T021500Z", "2026112T0021500Z", ""]
)
def test_other_folders_are_not_ours(name: str):
    assert folder_time(name) is None


def test_our_folders_tell_their_time():
    assert folder_time(folder_name(MANIFEST.made_at)) == MANIFEST.made_at
