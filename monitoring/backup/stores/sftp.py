"""A folder of another machine, by SFTP: the only module that knows paramiko. Loaded only where a target is one."""

from __future__ import annotations

import errno
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256
from typing import Any

import paramiko
from django.core.files.base import File
from django.utils.translation import gettext as _
from storages.backends.sftpstorage import SFTPStorage

from monitoring.backup.addresses import Address
from monitoring.backup.stores import StoreError

CONNECT_TIMEOUT_S = 15
TIMEOUT_S = 60
REQUESTS_AT_ONCE = 64
"""Of 32 KiB each, while reading: as much is held in memory."""


class OfThisFingerprint(paramiko.MissingHostKeyPolicy):
    """No server but one with this key gets a backup, or a password."""

    def __init__(self, fingerprints: set[str]) -> None:
        self._fingerprints = fingerprints

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        if fingerprint(key) not in self._fingerprints:
            raise UnknownServer(fingerprint(key))


class UnknownServer(paramiko.SSHException):
    """It has the key of this fingerprint, which nobody told."""


class KnownServers(SFTPStorage):
    """django-storages takes whatever server answers; and its files read in steps of one request each."""

    def __init__(self, address: Address) -> None:
        super().__init__(host=address.host, root_path=f"{address.path}/", file_mode=0o600, dir_mode=0o700)
        self._address = address

    def _connect(self) -> None:
        address, client = self._address, paramiko.SSHClient()
        if known := address.options.get("known_hosts"):
            client.load_host_keys(known)
        client.set_missing_host_key_policy(OfThisFingerprint(set(address.options.get("fingerprint", "").split(","))))
        client.connect(
            address.host,
            port=address.port or 22,
            username=address.user,
            password=address.password or None,
            key_filename=address.options.get("key"),
            timeout=CONNECT_TIMEOUT_S,
            banner_timeout=CONNECT_TIMEOUT_S,
            auth_timeout=CONNECT_TIMEOUT_S,
            allow_agent=False,
            look_for_keys=False,
        )
        self._ssh, self._sftp = client, client.open_sftp()
        if channel := self._sftp.get_channel():
            channel.settimeout(TIMEOUT_S)

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        file = self._read(name)
        file.prefetch(max_concurrent_requests=REQUESTS_AT_ONCE)
        return File(file, name=name)


class SftpStore:
    def __init__(self, address: Address) -> None:
        self._folder, self._shown = address.path, address.shown
        self.storage = KnownServers(address)

    def check(self) -> None:
        """django-storages would make it."""
        try:
            self.storage.sftp.stat(self._folder)
        except FileNotFoundError:
            text = _("%(place)s: there is no such folder. Make it there, or mend the address in BACKUP_TARGETS.")
            raise StoreError(text % {"place": self._shown}) from None

    def close(self) -> None:
        self.storage.close()

    def remove_folder(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self.storage.sftp.rmdir(f"{self._folder}/{name}")

    def explain(self, failure: Exception) -> str:
        if not isinstance(failure, paramiko.SSHException | OSError | EOFError):
            return ""
        if isinstance(failure, paramiko.AuthenticationException):
            text = _("%(place)s does not let us in: is the user's password, or key, right?")
        elif isinstance(failure, UnknownServer | paramiko.BadHostKeyException):
            text = _(
                "%(place)s has another key than the one in BACKUP_TARGETS (%(why)s). Put its new fingerprint there, "
                "but only if the server was set up anew: else somebody may stand between."
            )
        elif isinstance(failure, PermissionError):
            text = _("%(place)s: this user may not write there.")
        elif isinstance(failure, FileNotFoundError):
            text = _("%(place)s: a file is gone.")
        elif type(failure) is OSError and failure.errno is None:  # all that SFTP says of a full disk
            text = _("%(place)s could not do it (%(why)s). Is it full?")
        else:
            text = _("%(place)s does not answer (%(why)s). Is the network up, and the address right?")
        return text % {"place": self._shown, "why": _why(failure)}


def make(address: Address) -> SftpStore:
    return SftpStore(address)


def fingerprint(key: paramiko.PKey) -> str:
    """As ssh-keygen -l tells it: SHA256:…"""
    return f"SHA256:{b64encode(sha256(key.asbytes()).digest()).decode().rstrip('=')}"


def _why(failure: Exception) -> str:
    if isinstance(failure, UnknownServer):
        return str(failure)
    if isinstance(failure, OSError) and failure.errno:
        return errno.errorcode.get(failure.errno, str(failure.errno))
    return type(failure).__name__ if not str(failure) else str(failure)[:100]
