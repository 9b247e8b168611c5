"""The readable part of a Zigbee2MQTT's backup, without its secrets. Pure.

By name: what is called a key, a password, a token, a user. By value: wherever else one of them stands, in a device's
description or in an address. The PAN ID stays: each meter calls it out, and that it changed is what one looks for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from meters import zigbee2mqtt
from monitoring.backup.contents import Contents, Entry

GONE = "(not kept)"
SECRET = re.compile(r"passw|passphrase|(^|_)pass$|pwd|secret|token|auth|credential|key$|install_code", re.IGNORECASE)
HIDDEN = re.compile(rf"{SECRET.pattern}|^user|^ca$|^cert$|^ext_pan_id$", re.IGNORECASE)
"""Those beside the secrets are not looked for elsewhere: many a user is called as the site is."""
SHORTEST = 6
"""What is shorter stands in many a word by chance; it is struck out where it stands alone."""


def texts(contents: Contents, ours: Iterable[str] = ()) -> dict[str, str]:
    """File → text. `ours`: secrets that we know ourselves."""
    strip = Stripper({*_secrets(contents.configuration), contents.network_key, *ours})
    told = {
        "configuration": contents.configuration,
        "devices": [_device(each) for each in contents.devices],
        "groups": [{"id": each.get("groupID"), "members": each.get("members")} for each in contents.groups],
        "code": contents.code,
    }
    return {f"{name}.yaml": _yaml(strip.tree(tree)) for name, tree in told.items()}


def _device(entry: Entry) -> dict[str, Any]:
    told = {
        "ieee": entry.ieee_address,
        "name": entry.name,
        "type": entry.type,
        "model": entry.model_id,
        "manufacturer": entry.manufacturer,
        "firmware": entry.software_build,
        "reports": list(entry.reports),
    }
    return {key: value for key, value in told.items() if value}


class Stripper:
    """Strikes these secrets out, wherever they stand."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = {secret.lower() for secret in secrets if secret}
        long = sorted((s for s in self._secrets if len(s) >= SHORTEST), key=len, reverse=True)
        self._long = re.compile("|".join(map(re.escape, long)) or r"(?!)", re.IGNORECASE)
        self._keys = [secret for secret in self._secrets if re.fullmatch(r"[0-9a-f]{32}", secret)]

    def text(self, text: str) -> str:
        digits = re.sub(r"[^0-9a-f]", "", text.lower())
        if text.lower() in self._secrets or any(key in digits for key in self._keys):
            return GONE
        return self._long.sub(GONE, zigbee2mqtt.without_credentials(text))

    def tree(self, tree: Any) -> Any:
        if isinstance(tree, Mapping):
            return {self.tree(key): self._value(str(key), value) for key, value in tree.items()}
        if isinstance(tree, list | tuple):
            return GONE if _is_key(tree) else [self.tree(each) for each in tree]
        if isinstance(tree, bool | None):
            return tree
        text = self.text(str(tree))
        return tree if text == str(tree) else text

    def _value(self, key: str, value: Any) -> Any:
        is_hidden = HIDDEN.search(key) and not isinstance(value, bool | None)
        return GONE if is_hidden else self.tree(value)


def _secrets(tree: Any, *, is_secret: bool = False) -> Iterator[str]:
    """All that stands below a name that is a secret's, in the ways in which it may be written."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _secrets(value, is_secret=is_secret or bool(SECRET.search(str(key))))
    elif isinstance(tree, list):
        if _is_key(tree):
            yield from (bytes(tree).hex(), ",".join(map(str, tree)), ", ".join(map(str, tree)))
        for each in tree:
            yield from _secrets(each, is_secret=is_secret and not _is_key(tree))
    elif is_secret and not isinstance(tree, bool | None):
        yield str(tree)


def _is_key(told: Any) -> bool:
    """Sixteen bytes, as Zigbee2MQTT writes the network's key."""
    return len(told) == 16 and all(type(each) is int and 0 <= each <= 255 for each in told)


def _yaml(tree: Any) -> str:
    """In an order that is always the same; with what cannot be seen written out."""
    written: str = yaml.safe_dump(tree, allow_unicode=True, default_flow_style=False, width=200)
    return "".join(sign if unicodedata.category(sign) != "Cf" else f"\\u{ord(sign):04x}" for sign in written)
