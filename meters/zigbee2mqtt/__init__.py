"""The contract with Zigbee2MQTT: bytes become frozen types, or a named error. Pure: no database, no clock, no network.

Facts of Zigbee2MQTT 2.x (and the legacy texts of 1.x), each seen with a real instance; docs/zigbee2mqtt.md tells them.
"""

from meters.zigbee2mqtt.bridge import without_credentials
from meters.zigbee2mqtt.complaints import Complaint, is_of_lost_adapter, parse_complaint
from meters.zigbee2mqtt.messages import (
    Availability,
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
    State,
)
from meters.zigbee2mqtt.topics import bad_name, is_command, locate, parse
from meters.zigbee2mqtt.values import UNFIT

__all__ = [
    "UNFIT",
    "Availability",
    "BridgeInfo",
    "BridgeState",
    "Complaint",
    "Event",
    "Groups",
    "Health",
    "Ignored",
    "Inventory",
    "ListedDevice",
    "LogLine",
    "Message",
    "Rejected",
    "Response",
    "State",
    "bad_name",
    "is_command",
    "is_of_lost_adapter",
    "locate",
    "parse",
    "parse_complaint",
    "without_credentials",
]
