"""What Zigbee2MQTT says on `bridge/logging` of a command that failed, or of its antenna: it says so nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Reason = Literal["no_answer", "unreachable", "unknown_device", "refused"]

FAILED = re.compile(r"Publish '(set|get)' '([\w/]+)' to '(.+?)' failed: '(.*)'$", re.DOTALL)
UNKNOWN = re.compile(r"Entity '(.+)' is unknown")
NO_CONVERTER = re.compile(r"No converter available for '([\w/]+)' on '(.+?)'")
POSITION = re.compile(r"genOnOff\.(on|off)\(")
ADDRESS = re.compile(r"ZCL command (0x[0-9a-f]{16})/")
ADAPTER = re.compile(r"failed \((.*)\)$", re.DOTALL)
# The adapters' own words: Z-Stack's and Ember's.
SILENCE = re.compile(r"timed out|[Tt]imeout")
NO_ROAD = re.compile(r"Delivery failed|Data request failed|MAC_|NWK_|NO_ROUTE|NO_NETWORK_ROUTE|APS_NO_ACK")


@dataclass(frozen=True, slots=True)
class Complaint:
    """`name` as the topic named the device, `ieee_address` where the line tells it; `key`: state, read, … ("": all).

    `state`: which position was to be set, where the line tells it.
    """

    kind: str
    key: str
    name: str
    ieee_address: str
    reason: Reason
    text: str
    state: bool | None = None


def parse_complaint(line: str) -> Complaint | None:
    """The failed command that an error line tells of; None where it tells of none."""
    if match := FAILED.search(line):
        kind, key, name, error = match.groups()
        address = ADDRESS.search(error)
        words = _words(error)
        position = POSITION.search(error)
        state = position[1] == "on" if position else None
        return Complaint(kind, key, name, address[1] if address else "", _reason(words), words, state)
    if match := UNKNOWN.search(line):
        return Complaint("set", "", match[1], "", "unknown_device", match[0])
    if match := NO_CONVERTER.search(line):
        return Complaint("set", match[1], match[2], "", "refused", match[0])
    return None


def is_of_lost_adapter(line: str) -> bool:
    """Its last word before it ends: it lost the antenna (the adapter, the coordinator). Seen with 2.14.1."""
    return "Adapter disconnected" in line


def _reason(words: str) -> Reason:
    if SILENCE.search(words):
        return "no_answer"
    return "unreachable" if NO_ROAD.search(words) else "refused"


def _words(error: str) -> str:
    """What the adapter said, without the command that we know."""
    match = ADAPTER.search(error)
    return (match[1] if match else error.removeprefix("Error: "))[:300]
