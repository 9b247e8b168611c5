"""Seals and unseals files with age keys: the only module that knows pyrage.

Streams, in constant memory. Imports nothing of Django's models: the settings ask it whether a key is one.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyrage
from django.conf import settings
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from pyrage import x25519

from monitoring.backup import BackupError


class SealingError(BackupError):
    """No key, the wrong one, or a file that is not whole. The text never holds a key."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Writable(Protocol):
    def write(self, content: bytes, /) -> int: ...


@dataclass(frozen=True)
class Sealed:
    """What became of a stream: `bytes` and `sha256` are the sealed file's."""

    bytes: int
    sha256: str
    plain_bytes: int


def seal(source: Readable, path: Path) -> Sealed:
    """Write the stream to a new file that only the holders of the recipients' identities can read, and make it last.

    A source that ends too early looks like a whole one from here: whoever feeds it must know better. Raises
    SealingError without recipients; what reading or writing raises, and then leaves what it wrote.
    """
    recipients = _recipients()
    reader = _Reader(source)
    with path.open("xb") as file:
        writer = _Writer(file)
        try:
            pyrage.encrypt_io(reader, writer, recipients)
        except (pyrage.EncryptError, OSError) as failed:
            raise (
                reader.failure
                or writer.failure
                or SealingError(_("It could not be encrypted: %(why)s") % {"why": failed})
            ) from None
        file.flush()
        os.fsync(file.fileno())
    return Sealed(writer.count, writer.sha256, reader.count)


def unseal(path: Path, into: Writable) -> int:
    """Write what the file holds, and return how many bytes that were. Raises SealingError: what was written until then
    is genuine, but not all. What writing raises comes through.
    """
    identity = _identity()
    writer = _Writer(into)
    with path.open("rb") as file:
        try:
            pyrage.decrypt_io(_Reader(file), writer, [identity])
        except (pyrage.DecryptError, OSError) as failed:
            raise writer.failure or SealingError(_why_not(str(failed), writer.count, path)) from None
    return writer.count


def check_recipient(text: str) -> None:
    """Raises ValueError, without the text, when it is no public key of age."""
    try:
        x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise ValueError("no public key of age: it begins with age1 and has 62 letters and digits") from None


def check_identity(text: str) -> None:
    """Raises ValueError, without the text, when it is no secret key of age."""
    try:
        x25519.Identity.from_str(text)
    except pyrage.IdentityError:
        raise ValueError("no secret key of age: it begins with AGE-SECRET-KEY-1") from None


def new_key() -> tuple[str, str]:
    """A new secret identity, and the public recipient that belongs to it."""
    identity = x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def recipient_of(identity: str) -> str:
    """The public key that belongs to a secret one."""
    return str(x25519.Identity.from_str(identity).to_public())


def _recipients() -> list[x25519.Recipient]:
    if not settings.BACKUP_RECIPIENTS:
        raise SealingError(
            _("No backup is written unencrypted: put a public key of age (age1…) into BACKUP_RECIPIENTS.")
        )
    return [x25519.Recipient.from_str(text) for text in settings.BACKUP_RECIPIENTS]


def _identity() -> x25519.Identity:
    if not settings.BACKUP_IDENTITY:
        raise SealingError(
            _("The backup is encrypted: put the secret key (AGE-SECRET-KEY-1…) into BACKUP_IDENTITY_FILE.")
        )
    return x25519.Identity.from_str(settings.BACKUP_IDENTITY)


def _why_not(told: str, count: int, path: Path) -> str:
    if "No matching keys" in told:
        return _("%(file)s is encrypted for another key than the one in BACKUP_IDENTITY.") % {"file": path.name}
    text = _(
        "%(file)s is cut short or was changed, after %(count)s bytes. Take another target's copy, or another backup."
    )
    return text % {"file": path.name, "count": count}


class _Reader:
    """Counts what is read, and keeps what reading raised: pyrage tells of it only in words."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.count = 0
        self.failure: Exception | None = None

    def read(self, size: int) -> bytes:
        try:
            content = self._source.read(size)
        except Exception as failure:
            self.failure = failure
            raise
        self.count += len(content)
        return content


class _Writer:
    """Counts and digests what is written, and keeps what writing raised."""

    def __init__(self, target: Writable) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self.count = 0
        self.failure: Exception | None = None

    def write(self, content: bytes) -> int:
        try:
            self._target.write(content)
        except Exception as failure:
            self.failure = failure
            raise
        self._digest.update(content)
        self.count += len(content)
        return len(content)

    def flush(self) -> None:
        """pyrage calls it at the end; the file is flushed by whoever opened it."""

    @cached_property
    def sha256(self) -> str:
        return self._digest.hexdigest()
