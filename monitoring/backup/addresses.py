"""A target's address, as BACKUP_TARGETS tells it, read. Pure; imports nothing of Django's: the settings use it.

file:///folder?mount=/mount
s3://key:secret@host:port/bucket/prefix?region=…&tls=no
sftp://user:password@host:port/folder?fingerprint=SHA256:…   or, instead of a password, &key=/file

Each may say how many generations are kept: &daily=7&weekly=5&monthly=12. In a password, signs are written as in any
address: %2F is a slash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from monitoring.backup.generations import Kept

GENERATIONS = ("daily", "weekly", "monthly")
OPTIONS: dict[str, set[str]] = {
    "file": {"mount"},
    "s3": {"region", "tls"},
    "sftp": {"fingerprint", "known_hosts", "key"},
}


@dataclass(frozen=True)
class Address:
    """`path` begins with a slash; `user` and `password` are as they are, no longer quoted."""

    scheme: str
    host: str
    port: int | None
    user: str
    password: str = field(repr=False)
    path: str
    options: Mapping[str, str]
    kept: Kept

    @property
    def place(self) -> tuple[object, ...]:
        """Two addresses of one place have the same; each user of SFTP may see folders of his own."""
        return self.scheme, self.host, self.port, self.path, self.user if self.scheme == "sftp" else ""

    @property
    def shown(self) -> str:
        """For people: without user, password and options."""
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{self.host}{port}{self.path}"


def read(url: str) -> Address:
    """Raises ValueError with what is wrong, without the secrets."""
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        raise ValueError("its host or port cannot be read") from None
    if split.scheme not in OPTIONS:
        raise ValueError("it begins with file://, s3:// or sftp://")
    options = dict(parse_qsl(split.query, keep_blank_values=True))
    if unknown := set(options) - OPTIONS[split.scheme] - set(GENERATIONS):
        raise ValueError(f"it has options that nobody knows: {', '.join(sorted(unknown))}")
    address = Address(
        scheme=split.scheme,
        host=split.hostname or "",
        port=port,
        user=unquote(split.username or ""),
        password=unquote(split.password or ""),
        path=unquote(split.path).rstrip("/"),
        options={name: value for name, value in options.items() if name not in GENERATIONS},
        kept=Kept(**{name: _count(name, options[name]) for name in GENERATIONS if name in options}),
    )
    if wrong := _what_is_wrong(address):
        raise ValueError(wrong)
    return address


def _count(name: str, told: str) -> int:
    if not re.fullmatch(r"\d{1,4}", told):
        raise ValueError(f"{name} must be a number of backups")
    return int(told)


def _what_is_wrong(address: Address) -> str:
    """ "" when nothing is."""
    if address.scheme == "file":
        return "" if address.path and not address.host else "it needs three slashes and a folder: file:///mnt/nas"
    if not address.host or not address.user:
        return "it needs who logs in, and a host: sftp://user:password@host/folder"
    if address.scheme == "s3":
        has_all = address.password and address.path.count("/") >= 1 and address.path.strip("/")
        return "" if has_all else "it needs key, secret, host and bucket: s3://key:secret@host/bucket"
    if not {"fingerprint", "known_hosts"} & set(address.options):
        return "it needs the server's fingerprint=SHA256:… or known_hosts=/file: no unknown server gets a backup"
    return "" if address.password or address.options.get("key") else "it needs a password, or key=/file"
