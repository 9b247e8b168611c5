"""Messages that were once good: JSON whose values, keys and shape were changed, and bytes that were cut or spoilt.

Hypothesis draws the chances and makes the examples small; atheris draws them and follows what is covered.
"""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

HOSTILE: list[Any] = [
    *(None, True, False, 0, -1, 1, 0.5, -0.0, 1e-300, 1e308, 32_767, 32_768, 255, 256, 2_147_483_647),
    *(2_147_483_648, -2_147_483_648, 2**63 - 1, 2**63, 2**64, 10**30, 1e18, 253402300800000, -62135596800000),
    *("", "0", "null", "\0", "a\0b", "on", "ON", "offline", "online", " ", "\n", "x" * 300, "ø" * 260, "\u2028"),
    *("0xa4c138d630000001", "0xA4C138D630000001", "0xa4c1_38d63000000", "0xa4c138d6300000  ", "0x" + "١" * 16),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-07-01T10:00:00Z", "2026-07-01", "1e5"),
    *("a{99999999999}", "(a*)*b", "(?P<a", "\\", "[", ".*.*.*.*.*.*.*.*", "(?i)state|.", "^state$", "a{9}{9}"),
    *("../../etc/passwd", "${jndi:x}", "%s%n", "<script>", "'; --", "http://u:p@h/", "//" * 40, "bridge", "a/set"),
    *("power_a", "power_b", "voltage_" + "z" * 12, "current_²", "true", "1_000", "１２", "NaN", "-Infinity", "١"),
    *("1e999999999", "9" * 5000, "[" * 5000, "99999999999-01-01", "2026-07-01 25:61", "&a [*a]", "&a !!pairs [x: *a]"),
    *("!!binary x", "!!set {a}", "<<: *a", '{F1,"F\\"}', "E'\\'", "'", "''", "=1+1", "-.inf", "0x" + "f" * 5000),
    *([], {}, [[]], [None], {"": None}, {"\0": "\0"}, [{}] * 3, {"state": {"state": "online"}}),
]
KEYS = ["state", "device", "last_seen", "energy", "power", "voltage_a", "\0", "", "ieee_address", "friendly_name", "ø"]
WORD = re.compile(rb"[^\s,;:'\"\[\]{}()]+")
TOKENS = [b"\0", b"\xff", b"\xed\xa0\x80", b"\\u0000", b"\\ud800", b"1e999", b"NaN", b"{", b"[", b'"', b",", b"}", b"-"]


def mutated(body: bytes, chance: Random, most: int = 4) -> bytes:
    """As JSON where it is some, and now and then as nothing but bytes."""
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        return spoilt(body, chance)
    if chance.random() < 0.15:
        return spoilt(body, chance)
    for _ in range(chance.randint(1, most)):
        tree = changed(tree, chance)
    return json.dumps(tree, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")


def changed(tree: Any, chance: Random) -> Any:
    """The same with one thing in it changed, anywhere."""
    if not isinstance(tree, dict | list) or not tree or chance.random() < 0.15:
        return _replaced(tree, chance)
    if isinstance(tree, list):
        place = chance.randrange(len(tree))
        return tree[:place] + _in_list(tree[place], chance) + tree[place + 1 :]
    key = chance.choice(list(tree))
    match chance.randrange(8):
        case 0:
            return {name: value for name, value in tree.items() if name != key}
        case 1:
            return {chance.choice(KEYS) if name == key else name: value for name, value in tree.items()}
        case 2:
            return tree | {chance.choice(KEYS): chance.choice(HOSTILE)}
    return tree | {key: changed(tree[key], chance)}


def _in_list(entry: Any, chance: Random) -> list[Any]:
    match chance.randrange(6):
        case 0:
            return []
        case 1:
            return [entry] * chance.randint(2, 40)
    return [changed(entry, chance)]


def _replaced(value: Any, chance: Random) -> Any:
    match chance.randrange(8):
        case 0:
            return nested(value, chance.choice([1, 2, 49, 50, 51, 200]), as_list=chance.random() < 0.5)
        case 1 if isinstance(value, int | float) and not isinstance(value, bool):
            return value * chance.choice([-1, 10, 1000, 10**9])
        case 2 if isinstance(value, str):
            return value * chance.choice([2, 30]) if value else "x"
    return chance.choice(HOSTILE)


def nested(value: Any, deep: int, *, as_list: bool) -> Any:
    for _ in range(deep):
        value = [value] if as_list else {"features": value}
    return value


def spoilt(body: bytes, chance: Random) -> bytes:
    """Cut, doubled, with foreign bytes in it, or with another word in the place of one."""
    place = chance.randint(0, len(body))
    match chance.randrange(6):
        case 0:
            return body[:place]
        case 1:
            return body[:place] + chance.choice(TOKENS) + body[place:]
        case 2:
            return body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :]
        case 3:
            return body[:place] + body[place:] * chance.choice([2, 5])
    return _other_word(body, chance)


def _other_word(body: bytes, chance: Random) -> bytes:
    """As cells of a table and values of YAML: one of them becomes something that nobody meant."""
    words = list(WORD.finditer(body))
    if not words:
        return body
    chosen = chance.choice(words)
    other = str(chance.choice(HOSTILE)).encode("utf-8", "surrogatepass")
    return body[: chosen.start()] + other + body[chosen.end() :]
