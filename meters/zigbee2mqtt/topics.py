"""Which message a topic carries."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

from meters.zigbee2mqtt import bridge, states
from meters.zigbee2mqtt.messages import Ignored, Message, Rejected
from meters.zigbee2mqtt.values import MAX_BYTES

# As Zigbee2MQTT reads commands (lib/extension/publish.ts): the first match wins.
COMMAND = re.compile(r"^(?!bridge).+?/(get|set)(/.+)?$", re.DOTALL)
# Never of use and large: 1.3 MB of cluster definitions at a hundred devices, JavaScript of users.
UNUSED = frozenset({"bridge/definitions", "bridge/converters", "bridge/extensions", "bridge/config"})


def locate(topic: str, base_topics: Iterable[str]) -> tuple[str, str] | None:
    """(base topic, rest) of `topic` by the first base topic that holds it, so the longest come first; None where none
    does."""
    for base in base_topics:
        if topic.startswith(base) and topic.startswith("/", len(base)):
            return base, topic[len(base) + 1 :]
    return None


def is_command(rest: str) -> bool:
    """Whether Zigbee2MQTT takes what is published there for a command to a device."""
    return bool(COMMAND.match(rest))


def bad_name(name: str) -> str | None:
    """Why Zigbee2MQTT cannot work with this friendly name although it allows it, as a code; None where it can."""
    if name.startswith("bridge"):
        return "name_like_bridge"  # commands are ignored, without a word in the log
    if re.search(r"/(set|get)(/|$)", name):
        return "name_like_command"  # its states look like commands
    if name.endswith("/availability"):
        return "name_like_availability"
    return None


def parse(rest: str, payload: bytes, names: Container[str] = frozenset()) -> Message:
    """What the message below a base topic says. `rest` is the topic behind the base, `names` the area's known names.

    Raises Rejected with a code: too_big, not_utf8, not_json, not_an_object, wrong_type, out_of_range, bad_time, …
    """
    if rest in UNUSED or rest.startswith("bridge/request/"):
        return Ignored()
    if len(payload) > MAX_BYTES:
        raise Rejected("too_big", f"{len(payload)} bytes")
    if rest in names and not bridge.is_own(rest):
        return states.parse_state(rest, payload)
    if rest == "bridge" or rest.startswith("bridge/"):
        return bridge.parse_bridge(rest.removeprefix("bridge/"), payload)
    if rest.endswith("/availability"):
        return states.parse_availability(rest.removesuffix("/availability"), payload)
    if COMMAND.match(rest):
        return Ignored()
    if parent := _attribute_of(rest, names):
        raise Rejected("attribute_output", f"{parent!r} is sent attribute by attribute: set advanced.output to json")
    return states.parse_state(rest, payload)


def _attribute_of(rest: str, names: Container[str]) -> str | None:
    """The known device of which `rest` is an attribute's topic, where Zigbee2MQTT sends attribute by attribute."""
    parent = rest.rpartition("/")[0]
    return parent if parent and parent in names else None
