"""What a Zigbee2MQTT says of itself: everything below `bridge/`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from meters.zigbee2mqtt.messages import (
    BridgeInfo,
    BridgeState,
    Event,
    Groups,
    Health,
    Ignored,
    Inventory,
    ListedDevice,
    LogLine,
    Message,
    Rejected,
    Response,
)
from meters.zigbee2mqtt.states import PHASE, online_of
from meters.zigbee2mqtt.values import (
    MAX_NAME,
    SMALLINT,
    decode,
    decode_object,
    flag,
    ieee_of,
    moment,
    name_of,
    number,
    text,
    whole,
)

SECRETS = frozenset({"network_key", "password", "user", "auth_token", "key", "cert", "ca", "ext_pan_id"})
MEASURED_UNITS = {"power": "W", "voltage": "V", "current": "A", "energy": "kWh"}
WORD = re.compile(r"\S+")
BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
MOST_LEVELS, MOST_DEVICES, MOST_REPORTINGS = 50, 1000, 30
INTERVALS = ("minimum_report_interval", "maximum_report_interval")
PUBLISHED, SETTABLE, GETTABLE = 1, 2, 4


def is_own(rest: str) -> bool:
    """Whether Zigbee2MQTT itself speaks there: so it does where a device has such a name, too."""
    kind = rest.removeprefix("bridge/")
    return kind != rest and (kind in READERS or kind.startswith("response/"))


def parse_bridge(kind: str, payload: bytes) -> Message:
    """`kind` is what follows `bridge/`. Unknown kinds are ignored: later versions will add some."""
    if kind.startswith("response/"):
        return _response(kind.removeprefix("response/"), payload)
    reader = READERS.get(kind)
    return reader(payload) if reader and payload else Ignored()


def _state(payload: bytes) -> BridgeState:
    return BridgeState(online_of(payload))


def _info(payload: bytes) -> BridgeInfo:
    info = decode_object(payload)
    network = _object(info, "network")
    return BridgeInfo(
        version=text(info, "version", 40),
        coordinator=_without_secrets(_object(info, "coordinator")),
        channel=whole(network, "channel", 255),
        permit_join=flag(info, "permit_join"),
        permit_join_until=moment(info.get("permit_join_end")),
        restart_required=flag(info, "restart_required"),
        configuration=_without_secrets(_object(info, "config")),
        network={key: _word(network.get(key)) for key in ("pan_id", "extended_pan_id")},
    )


def _inventory(payload: bytes) -> Inventory:
    listed = decode(payload)
    if not isinstance(listed, list):
        raise Rejected("not_a_list", type(listed).__name__)
    if len(listed) > MOST_DEVICES:  # each would be a row for good
        raise Rejected("too_many", f"{len(listed)} devices")
    devices: dict[str, ListedDevice] = {}
    refused: list[Rejected] = []
    unreadable: set[str] = set()
    if not any(isinstance(entry, dict) and entry.get("type") == "Coordinator" for entry in listed):
        raise Rejected("no_coordinator", "a list without its coordinator is not whole")
    for entry in listed:
        try:
            if not isinstance(entry, dict):
                raise Rejected("not_an_object", type(entry).__name__)
            if entry.get("type") != "Coordinator":
                device = _listed(entry)
                if device.friendly_name in devices:
                    raise Rejected("name_taken", device.friendly_name)
                devices[device.friendly_name] = device
        except Rejected as error:  # one bad entry never hides the others
            refused.append(error)
            with suppress(Rejected, AttributeError):
                unreadable.add(ieee_of(entry.get("ieee_address")))
    return Inventory(tuple(devices.values()), tuple(refused), frozenset(unreadable))


def _listed(entry: Mapping[str, Any]) -> ListedDevice:
    definition = _object(entry, "definition")
    exposes = list(_leaves(definition.get("exposes"), MOST_LEVELS))
    published = {e["property"] for e in exposes if _is_measurement(e)}
    phases = _phases(published)
    relays = [e for e in exposes if e.get("property") == "state" and e.get("type") == "binary"]
    interview = text(entry, "interview_state", 20) or ("SUCCESSFUL" if entry.get("interview_completed") else "PENDING")
    return ListedDevice(
        ieee_address=ieee_of(entry.get("ieee_address")),
        friendly_name=name_of(entry.get("friendly_name")),
        type=text(entry, "type", 20),
        measures=bool(phases or published & {"power", "energy"}),
        has_relay=bool(relays),
        phases=phases,
        vendor=text(definition, "vendor"),
        model=text(definition, "model"),
        model_id=text(entry, "model_id"),
        manufacturer=text(entry, "manufacturer"),
        software_build=text(entry, "software_build_id"),
        interview_state=interview,
        disabled=entry.get("disabled") is True,
        relay_readable=any(isinstance(e.get("access"), int) and e["access"] & GETTABLE for e in relays),
        supported=flag(entry, "supported"),
        reportings=tuple(islice(_reportings(_object(entry, "endpoints")), MOST_REPORTINGS)),
    )


def _reportings(endpoints: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What the device was told to report; what makes no sense is left out, and refuses no device."""
    for endpoint, told in endpoints.items():
        listed = told.get("configured_reportings") if isinstance(told, dict) and endpoint.isdecimal() else None
        for each in listed if isinstance(listed, list) else []:
            with suppress(Rejected, AttributeError):
                intervals = {key: whole(each, key, SMALLINT * 2 + 1) for key in INTERVALS}
                names = {key: text(each, key) for key in ("cluster", "attribute")}
                if None not in intervals.values() and all(names.values()):
                    yield {"endpoint": int(endpoint[:3])} | names | intervals | {"reportable_change": _change(each)}


def _change(reporting: Mapping[str, Any]) -> int | float | None:
    """By how much it must change to be reported; of what is wider than a number nothing is said."""
    with suppress(Rejected):
        return number(reporting, "reportable_change")
    return None


def _word(value: Any) -> str:
    """A number or a short text as a text; empty where it is neither."""
    return str(value)[:40].replace("\0", "") if isinstance(value, int | str) and not isinstance(value, bool) else ""


def _leaves(exposes: Any, levels: int) -> Iterator[Mapping[str, Any]]:
    """The properties of `exposes`, those inside switches and other composites included."""
    for entry in exposes if isinstance(exposes, list) and levels else []:
        if isinstance(entry, dict):
            if isinstance(entry.get("property"), str):
                yield entry
            yield from _leaves(entry.get("features"), levels - 1)


def _is_measurement(expose: Mapping[str, Any]) -> bool:
    """Published and not settable (thresholds are), in the unit of its quantity."""
    access = expose.get("access")
    quantity = str(expose["property"]).partition("_")[0]
    return (
        isinstance(access, int)
        and bool(access & PUBLISHED)
        and not access & SETTABLE
        and expose.get("unit") == MEASURED_UNITS.get(quantity, "-")
    )


def _phases(published: set[str]) -> tuple[str, ...]:
    """Suffixes of the phases, in order. ZCL meters name only the second and third: the first is the bare one."""
    suffixes = sorted({match[2] for key in published if (match := PHASE.match(key))})
    if len(suffixes) == 2 and "power" in published:
        return ("", *suffixes)
    return tuple(suffixes) if len(suffixes) >= 2 else ()


def _groups(payload: bytes) -> Groups:
    listed = decode(payload)
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    sizes = {text(entry, "friendly_name", MAX_NAME): _members(entry.get("members")) for entry in entries}
    sizes.pop("", None)
    return Groups(sizes)


def _members(listed: Any) -> int:
    return len(listed) if isinstance(listed, list) else 0


def _event(payload: bytes) -> Event:
    event = decode_object(payload)
    data = _object(event, "data")
    return Event(
        type=text(event, "type", 40),
        ieee_address=ieee_of(data.get("ieee_address")),
        friendly_name=text(data, "friendly_name", MAX_NAME),
        status=text(data, "status", 20),
    )


def _logging(payload: bytes) -> LogLine:
    line = decode_object(payload)
    return LogLine(text(line, "level", 20), text(line, "message", 2000))


def _health(payload: bytes) -> Health:
    health = decode_object(payload)
    system, process, mqtt = _object(health, "os"), _object(health, "process"), _object(health, "mqtt")
    load = system.get("load_average")
    generated_at = moment(health.get("response_time"))
    if generated_at is None:
        raise Rejected("bad_time", "response_time is absent")
    return Health(
        generated_at=generated_at,
        uptime_s=whole(process, "uptime_sec"),
        mqtt_queued=whole(mqtt, "queued"),
        mqtt_published=whole(mqtt, "published", 2**63 - 1),
        mqtt_received=whole(mqtt, "received", 2**63 - 1),
        memory_percent=number(system, "memory_percent"),
        load_1min=number({"load": load[0]}, "load") if isinstance(load, list) and load else None,
        devices=_without_secrets(_object(health, "devices")),
    )


def _response(request: str, payload: bytes) -> Response:
    response = decode_object(payload)
    ok = response.get("status") == "ok"
    return Response(
        request=request,
        transaction=str(response.get("transaction") or "").replace("\0", "")[:100],
        error="" if ok else text(response, "error", 500) or "no reason given",
        data=_packed(response.get("data")) if request == "backup" else _without_secrets(response.get("data")),
    )


def _packed(told: Any) -> dict[str, str]:
    """Of a backup nothing but its zip, whose letters no table can refuse, and so quote; else nothing."""
    packed = told.get("zip") if isinstance(told, dict) else None
    return {"zip": packed} if isinstance(packed, str) and BASE64.fullmatch(packed) else {}


def _object(source: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = source.get(key)
    return value if isinstance(value, dict) else {}


def _without_secrets(value: Any, levels: int = MOST_LEVELS) -> Any:
    """The same tree without secrets (older Zigbee2MQTTs leave some in) and without NUL, which no table takes."""
    if not levels:
        raise Rejected("too_deep", f"nested more than {MOST_LEVELS} times")
    if isinstance(value, dict):
        clean = {key.replace("\0", ""): each for key, each in value.items()}
        return {key: _without_secrets(each, levels - 1) for key, each in clean.items() if key not in SECRETS}
    if isinstance(value, list):
        return [_without_secrets(v, levels - 1) for v in value]
    return without_credentials(value.replace("\0", "")) if isinstance(value, str) else value


def without_credentials(text: str) -> str:
    """Without the user and the password of the addresses in it."""
    return WORD.sub(_without_credentials, text)


def _without_credentials(word: re.Match[str]) -> str:
    """In one go: a search for `//\\S*@` takes the square of the time, hours where a text holds a million slashes."""
    scheme, slashes, rest = word[0].partition("//")
    return f"{scheme}//…@{rest.rpartition('@')[2]}" if slashes and "@" in rest else word[0]


READERS: dict[str, Callable[[bytes], Message]] = {
    "state": _state,
    "info": _info,
    "devices": _inventory,
    "groups": _groups,
    "event": _event,
    "logging": _logging,
    "health": _health,
}
