"""What is sealed can be had again by the key's holder alone, and a file that is cut or changed is told."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as configured

from monitoring.backup import sealing
from monitoring.backup.sealing import SealingError

CONTENT = os.urandom(200_000)


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    path = tmp_path / "part.age"
    sealing.seal(io.BytesIO(CONTENT), path)
    return path


def test_what_was_sealed_comes_back(tmp_path: Path):
    path = tmp_path / "part.age"
    told = sealing.seal(io.BytesIO(CONTENT), path)
    assert (told.plain_bytes, told.bytes) == (len(CONTENT), path.stat().st_size)
    assert CONTENT[:100] not in path.read_bytes()
    into = io.BytesIO()
    assert sealing.unseal(path, into) == len(CONTENT)
    assert into.getvalue() == CONTENT


def test_each_of_several_recipients_can_open_it(tmp_path: Path, settings):
    _identity, another = sealing.new_key()
    settings.BACKUP_RECIPIENTS = [another, *settings.BACKUP_RECIPIENTS]
    sealing.seal(io.BytesIO(CONTENT), tmp_path / "part.age")
    assert sealing.unseal(tmp_path / "part.age", io.BytesIO()) == len(CONTENT)


def test_without_a_recipient_nothing_is_written(tmp_path: Path, settings):
    settings.BACKUP_RECIPIENTS = []
    with pytest.raises(SealingError, match="BACKUP_RECIPIENTS"):
        sealing.seal(io.BytesIO(CONTENT), tmp_path / "part.age")
    assert not (tmp_path / "part.age").exists()


def test_with_another_key_or_none_it_stays_shut(sealed: Path, settings):
    settings.BACKUP_IDENTITY = sealing.new_key()[0]
    with pytest.raises(SealingError, match="another key") as told:
        sealing.unseal(sealed, io.BytesIO())
    assert "SECRET-KEY" not in str(told.value)
    settings.BACKUP_IDENTITY = ""
    with pytest.raises(SealingError, match="BACKUP_IDENTITY_FILE"):
        sealing.unseal(sealed, io.BytesIO())


@pytest.mark.parametrize("length", [0, 50, 200, 65_536, -1])
def test_a_file_that_is_cut_short_is_told(sealed: Path, length: int):
    """Also where a whole chunk of 64 KiB ends."""
    header = len(sealed.read_bytes()) - len(CONTENT) - 16 * 4 - 16
    sealed.write_bytes(sealed.read_bytes()[: header + 16 + 65_552 if length == 65_536 else length])
    with pytest.raises(SealingError, match="cut short or was changed"):
        sealing.unseal(sealed, io.BytesIO())


@pytest.mark.parametrize("place", [60, 250, 100_000, -1])
def test_a_changed_byte_is_told(sealed: Path, place: int):
    content = bytearray(sealed.read_bytes())
    content[place] ^= 1
    sealed.write_bytes(content)
    with pytest.raises(SealingError):
        sealing.unseal(sealed, io.BytesIO())


def test_what_reading_or_writing_raises_comes_through(tmp_path: Path, sealed: Path):
    class Full(io.RawIOBase):
        def write(self, content: object) -> int:
            raise OSError(28, "No space left on device")

    class Gone(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        sealing.seal(Gone(), tmp_path / "other.age")
    with pytest.raises(OSError, match="No space"):
        sealing.unseal(sealed, Full())


def test_however_much_it_is_it_needs_no_more_memory_than_a_few_megabytes(tmp_path: Path):
    """In a process of its own, whose peak shows only this."""
    program = """
import resource
from pathlib import Path
from django.conf import settings
from monitoring.backup import sealing
identity, recipient = sealing.new_key()
settings.configure(BACKUP_RECIPIENTS=[recipient], BACKUP_IDENTITY=identity)
class Zeros:
    left = 1 << 28
    def read(self, size):
        size = min(size, self.left)
        self.left -= size
        return bytes(size)
class Nothing:
    def write(self, content):
        return len(content)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
path = Path("/dev/null")
recipients = sealing._recipients()
reader, writer = sealing._Reader(Zeros()), sealing._Writer(Nothing())
sealing.pyrage.encrypt_io(reader, writer, recipients)
assert reader.count == 1 << 28 and writer.count > 1 << 28
print(peak() - before)
"""
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=configured.BASE_DIR, capture_output=True, text=True, timeout=120
    )
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) < 8_000  # KiB
