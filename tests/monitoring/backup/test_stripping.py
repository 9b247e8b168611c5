"""What is kept for reading holds no secret, however it is called and wherever else it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from monitoring.backup import contents, stripping
from monitoring.backup.stripping import GONE
from tests.monitoring.backup import zips

HEX = bytes(zips.KEY).hex()


def texts(files: dict[str, bytes], *ours: str) -> dict[str, str]:
    return stripping.texts(contents.read(zips.packed(files)), ours)


def configuration(**told: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(texts(zips.files(**told))["configuration.yaml"])
    return found


def test_keys_and_passwords_are_struck_out_and_the_rest_is_told() -> None:
    found = configuration()
    assert found["mqtt"] == {
        "base_topic": "z2m",
        "server": "mqtt://broker:1883",
        "user": GONE,
        "password": GONE,
    }
    assert found["advanced"] == {"network_key": GONE, "ext_pan_id": GONE, "pan_id": 6754, "channel": 15}
    assert found["devices"][zips.ADDRESS.format(1)] == {"friendly_name": "101"}


@pytest.mark.parametrize(
    "told",
    [
        {"frontend": {"auth_token": "hunter2!"}},
        {"mqtt": {"password": 12345678}},
        {"mqtt": {"key": "/etc/key.pem", "passphrase": "x y z"}},
        {"serial": {"apiKey": "abcdef"}, "x": {"deep": [{"clientSecret": ["q", "w"]}]}},
        {"x": {"link_key": {"a": "b"}}},
    ],
)
def test_whatever_is_called_like_a_secret_is_one(told: dict[str, Any]) -> None:
    written = texts(zips.files(**told))["configuration.yaml"]
    for secret in ("hunter2!", "12345678", "key.pem", "x y z", "abcdef", "'q'", "- q", "a: b"):
        assert secret not in written
    assert GONE in written


@pytest.mark.parametrize(
    "value",
    [
        zips.PASSWORD,
        f"the broker's is {zips.PASSWORD.upper()}!",
        f"mqtt://z2m:{zips.PASSWORD}@broker:1883",
        HEX,
        f"0x{HEX.upper()}",
        ":".join(HEX[i : i + 2] for i in range(0, 32, 2)),
        ", ".join(map(str, zips.KEY)),
        zips.KEY,
        "of ours: entre-nous",
    ],
)
def test_a_secret_is_struck_out_wherever_else_it_stands(value: Any) -> None:
    named = {zips.ADDRESS.format(1): {"friendly_name": "101", "description": value}, "x": {str(value): 1}}
    files = zips.files(1) | {
        "configuration.yaml": json.dumps(zips.configuration(devices=1) | {"devices": named}).encode()
    }
    files |= {f"external_converters/{zips.PASSWORD}.js": b""}
    written = "".join(texts(files, "entre-nous").values()).lower()
    for secret in (zips.PASSWORD, HEX, HEX[:2] + ":" + HEX[2:4], "77, 100, 65", "- 77\n", "entre-nous"):
        assert secret not in written


def test_a_key_that_only_the_antenna_tells_is_struck_out_too() -> None:
    files = zips.files(1, advanced={"channel": 15}, note=HEX)
    assert HEX not in "".join(texts(files).values())


def test_options_that_only_sound_like_secrets_are_told() -> None:
    found = configuration(
        availability={"passive": {"timeout": 1500}},
        passlist=["0x01"],
        mqtt={"reject_unauthorized": True, "keepalive": 60},
    )
    assert found["availability"]["passive"] == {"timeout": 1500}
    assert found["passlist"] == ["0x01"]
    assert found["mqtt"] == {"reject_unauthorized": True, "keepalive": 60}


def test_the_user_is_not_looked_for_elsewhere() -> None:
    assert configuration(note="z2m")["note"] == "z2m"


def test_a_short_password_is_struck_out_only_where_it_stands_alone() -> None:
    found = configuration(mqtt={"password": "pier"}, first="pier", second="the pier's end")
    assert (found["first"], found["second"]) == (GONE, "the pier's end")


def test_the_same_backup_is_written_the_same_whatever_the_order() -> None:
    files = zips.files(3)
    turned = files | {
        "database.db": b"\n".join(reversed(files["database.db"].split(b"\n"))),
        "configuration.yaml": json.dumps(dict(reversed(zips.configuration(3).items()))).encode(),
    }
    assert texts(files) == texts(turned)


def test_what_changes_by_itself_is_not_told() -> None:
    files = zips.files(1)
    later = [zips.COORDINATOR, zips.device(1, lastSeen=99, nwkAddr=7)]
    assert texts(files) == texts(
        files | {"database.db": "\n".join(map(json.dumps, later)).encode(), "state.json": b"9"}
    )


def test_what_cannot_be_seen_is_written_out() -> None:
    files = zips.files(1, note="a\u202eb\u200b\u0007\x1b[31m æøå")
    written = texts(files)["configuration.yaml"]
    assert not {"\u202e", "\u200b", "\u0007", "\x1b"} & set(written)
    assert "æøå" in written
