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


@pytest.mark.parametrize(
    "file", ["../../etc/passwd", "/etc/passwd", "..\\x", ".hidden", "", "x", "a\nb.age", "a" * 300]
)
def test_a_part_lies_in_the_backups_own_folder(file: str):
    wrong = replace(MANIFEST, parts=(replace(MANIFEST.parts[0], file=file),))
    with pytest.raises(ManifestError):
        Manifest.from_json(wrong.to_json())


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (("parts", 0, "bytes"), "Infinity"),
        (("parts", 0, "bytes"), "0"),
        (("parts", 0, "bytes"), "true"),
        (("parts", 0, "plain_bytes"), "-1"),
        (("parts", 0, "facts", "devices"), '"three"'),
        (("parts", 0, "facts"), "3"),
        (("rows", "meters_meter"), "1e400"),
        (("ledger", "energy_wh"), "9" * 400),
        (("made_at",), '"0001-01-01T00:00:00+14:00"'),
        (("postgres",), '"; DROP"'),
        (("migrations",), "[" * 100_000 + "]" * 100_000),
    ],
)
def test_numbers_and_times_that_cannot_be_are_no_manifest(where: tuple[str | int, ...], told: str):
    tree = json.loads(MANIFEST.to_json())
    place = tree
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = "HERE"
    with pytest.raises(ManifestError):
        Manifest.from_json(json.dumps(tree).replace('"HERE"', told).encode())


def test_a_file_stands_in_it_once():
    with pytest.raises(ManifestError):
        Manifest.from_json(replace(MANIFEST, parts=MANIFEST.parts * 2).to_json())


@pytest.mark.parametrize(("version", "major"), [("18.6", 18), ("19beta1", 19), ("9", 9)])
def test_a_version_of_postgresql_tells_its_major_one(version: str, major: int):
    assert Manifest.from_json(replace(MANIFEST, postgres=version).to_json()).postgres_major == major


def test_what_would_move_about_on_a_screen_or_fits_no_table_is_taken_out():
    missing = Missing("no\x1b[2J\0rth", Kind.ZIGBEE2MQTT, "It did\n\N{RIGHT-TO-LEFT OVERRIDE}not.")
    told = Manifest.from_json(replace(MANIFEST, missing=(missing,)).to_json().replace(b"[2J", b"\\ud800"))
    assert told.missing[0] == Missing("no   rth", Kind.ZIGBEE2MQTT, "It did  not.")


@pytest.mark.parametrize(
    "name", ["20261129", "lost+found", "20261129T021500", "20261329T021500Z", "2026112T0021500Z", ""]
)
def test_other_folders_are_not_ours(name: str):
    assert folder_time(name) is None


def test_our_folders_tell_their_time():
    assert folder_time(folder_name(MANIFEST.made_at)) == MANIFEST.made_at
