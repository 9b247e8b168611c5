"""A folder becomes one stream, whatever lies in it and whatever becomes of it meanwhile."""

import io
import os
import socket
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitoring.backup.folders import FolderError, Packed, _Exactly


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mosquitto"
    (made / "config").mkdir(parents=True)
    (made / "config" / "mosquitto.conf").write_text("listener 1883\n")
    (made / "empty").mkdir()
    (made / "mosquitto.db").write_bytes(os.urandom(300_000))
    return made


def packed(folder: Path) -> tuple[tarfile.TarFile, Packed]:
    stream = io.BytesIO()
    with Packed(folder) as source:
        while content := source.read(8192):
            stream.write(content)
    stream.seek(0)
    return tarfile.open(fileobj=stream, mode="r:gz"), source


def test_what_lies_in_it_comes_back_as_it_was(folder: Path, tmp_path: Path):
    tar, source = packed(folder)
    assert source.why() == ""
    tar.extractall(tmp_path / "back", filter="data")
    assert (tmp_path / "back" / "config" / "mosquitto.conf").read_text() == "listener 1883\n"
    assert (tmp_path / "back" / "mosquitto.db").read_bytes() == (folder / "mosquitto.db").read_bytes()
    assert (tmp_path / "back" / "empty").is_dir()


def test_links_stay_links_and_lead_nowhere_out_of_it(folder: Path, tmp_path: Path):
    (tmp_path / "secret").write_text("of others")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "away").symlink_to(tmp_path)
    tar, _source = packed(folder)
    assert tar.getmember("link").issym()
    assert tar.getmember("away").issym()
    assert not [name for name in tar.getnames() if "secret" in name]


def test_sockets_and_pipes_hold_nothing_and_nobody_waits_for_them(folder: Path, monkeypatch: pytest.MonkeyPatch):
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
        tar, source = packed(folder)
    assert {"pipe", "socket"}.isdisjoint(tar.getnames())
    assert source.why() == ""


def test_two_names_of_a_file_are_two_files(folder: Path):
    os.link(folder / "mosquitto.db", folder / "same.db")
    tar, _source = packed(folder)
    assert all(tar.getmember(name).isreg() for name in ("mosquitto.db", "same.db"))
    assert tar.getmember("same.db").size == 300_000


@pytest.mark.parametrize(("now", "told"), [(b"ab", b"ab\0\0"), (b"abcdef", b"abcd"), (b"abcd", b"abcd")])
def test_a_file_that_shrinks_or_grows_meanwhile_keeps_the_size_that_was_told(now: bytes, told: bytes):
    file = _Exactly(io.BytesIO(now), 4)
    assert file.read(3) + file.read(3) + file.read(3) == told


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(FolderError, match="There is no folder"):
        Packed(tmp_path / "gone")


@contextmanager
def nobody() -> Iterator[None]:
    """Root may read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_is_named_and_the_rest_is_in_it():
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        for name in ("closed", "open"):
            (folder / name).mkdir()
        (folder / "closed" / "file").touch()
        (folder / "secrets.yaml").touch()
        (folder / os.fsdecode(b"a\xff")).touch()  # not every file's name is text
        for name in ("closed", "secrets.yaml", os.fsdecode(b"a\xff")):
            (folder / name).chmod(0)
        with nobody():
            tar, source = packed(folder)
        (folder / "closed").chmod(0o700)
    assert "open" in tar.getnames()
    assert source.why().startswith("3 could not be read, such as a\N{REPLACEMENT CHARACTER}, secrets.yaml, closed.")


def test_however_many_files_there_are_none_is_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch):
    made: list[tarfile.TarFile] = []
    opened = tarfile.open
    monkeypatch.setattr(tarfile, "open", lambda *words, **named: made.append(opened(*words, **named)) or made[-1])
    with Packed(folder) as source:
        while source.read(8192):
            pass
    assert [(tar.members, tar.inodes) for tar in made] == [([], {})]


def test_who_stops_reading_leaves_no_thread_behind(folder: Path):
    (folder / "more").write_bytes(os.urandom(3_000_000))
    with Packed(folder) as source:
        source.read(100)
    assert not source._thread.is_alive()
