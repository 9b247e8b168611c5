"""How a Zigbee2MQTT of a campsite should be configured: the one place. docs/monitoring.md shows it as a table.

Values are in Zigbee2MQTT's own units. Sources are pages of its documentation, www.zigbee2mqtt.io.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Among:
    """One of these values."""

    values: tuple[Any, ...]

    def fits(self, value: Any) -> bool:
        return any(type(value) is type(each) and value == each for each in self.values)  # 1 is not true

    def __str__(self) -> str:
        return " / ".join(_word(value) for value in self.values)


@dataclass(frozen=True, slots=True)
class Between:
    """A number from low to high."""

    low: float
    high: float

    def fits(self, value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g}–{self.high:g}"


@dataclass(frozen=True, slots=True)
class Holding:
    """A list in which all of these stand."""

    values: tuple[str, ...]

    def fits(self, value: Any) -> bool:
        return isinstance(value, list) and all(each in value for each in self.values)

    def __str__(self) -> str:
        return ", ".join(self.values)


class Absent(Enum):
    """What it means that Zigbee2MQTT reports a configuration without this setting: nothing is known of it."""

    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Setting:
    """`wanted` is what Apply sets where the value now does not fit. `restart`: in force only after one
    (settings.schema.json, requiresRestart). `weighty`: an incident where it is wrong. `absent`: what it stands for that
    it is not there."""

    path: tuple[str, ...]
    fits: Among | Between | Holding
    wanted: Any
    why: Promise
    source: str
    restart: bool = False
    weighty: bool = False
    absent: Any = Absent.UNKNOWN

    @property
    def code(self) -> str:
        return ".".join(self.path)

    def cured(self, value: Any) -> Any:
        """What it should be instead of `value`: what already stands in a list stays there."""
        if not isinstance(self.fits, Holding):
            return self.wanted
        kept = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
        return [*kept, *(each for each in self.fits.values if each not in kept)]


MEASURED = ("^state$", "^power$", "^current$", "^voltage$", "^energy$")
AVAILABILITY, MQTT = "guide/configuration/device-availability", "guide/configuration/mqtt"
ADVANCED, LOGGING = "guide/configuration/all-settings", "guide/configuration/logging"
DEVICES, HEALTH = "guide/configuration/devices-groups", "guide/usage/health"

SETTINGS: tuple[Setting, ...] = (
    Setting(
        ("availability", "active", "pause_on_backoff_gt"),
        Between(8, 15),
        15,
        _("Dead meters are pinged no more after a few attempts: a burnt fuse cannot become a cascade of pings."),
        AVAILABILITY,
        restart=True,
        weighty=True,
        absent=0,
    ),
    Setting(
        ("availability", "enabled"),
        Among((True,)),
        True,
        _("Without it nobody asks a silent meter whether it is still there."),
        AVAILABILITY,
        restart=True,
        weighty=True,
    ),
    Setting(
        ("availability", "active", "timeout"),
        Between(10, 60),
        10,
        _("Minutes of silence before a meter is pinged; sooner only loads the network."),
        AVAILABILITY,
        restart=True,
    ),
    Setting(
        ("availability", "active", "max_jitter"),
        Between(30000, 120000),
        30000,
        _("Milliseconds over which pings are spread, so that they do not come all at once."),
        AVAILABILITY,
        restart=True,
    ),
    Setting(
        ("availability", "active", "backoff"),
        Among((True,)),
        True,
        _("The pauses between two pings of a dead meter grow."),
        AVAILABILITY,
        restart=True,
    ),
    Setting(
        ("availability", "passive", "timeout"),
        Between(60, 3000),
        1500,
        _("Minutes of silence after which a device with a battery is called away."),
        AVAILABILITY,
        restart=True,
    ),
    Setting(
        ("advanced", "last_seen"),
        Among(("ISO_8601", "ISO_8601_local", "epoch")),
        "ISO_8601",
        _("Each report tells when it was measured; otherwise only when it arrived here is known."),
        ADVANCED,
        weighty=True,
    ),
    Setting(
        ("advanced", "output"),
        Among(("json",)),
        "json",
        _("Only reports in JSON are understood here."),
        ADVANCED,
        weighty=True,
    ),
    Setting(
        ("advanced", "cache_state"),
        Among((True,)),
        True,
        _("Without it thresholds of a breaker cannot be set, and Home Assistant misses values."),
        ADVANCED,
    ),
    Setting(
        ("advanced", "enable_external_js"),
        Among((False,)),
        False,
        _("Whoever may publish on the broker could run programs of his own in Zigbee2MQTT."),
        ADVANCED,
        restart=True,
        weighty=True,
    ),
    Setting(
        ("advanced", "log_level"),
        Among(("info", "warning")),
        "info",
        _("Debug floods log and broker; with error alone warnings of a weak network are lost."),
        LOGGING,
    ),
    Setting(
        ("advanced", "log_namespaced_levels", "z2m:mqtt"),
        Among(("warning", "error")),
        "warning",
        _(
            "Otherwise each report goes out a second time as a line of log, half of all messages; and so does its "
            "backup, the network's key in it."
        ),
        LOGGING,
        absent="info",
    ),
    Setting(
        ("advanced", "log_rotation"),
        Among((True,)),
        True,
        _("Logs must not fill the disk."),
        LOGGING,
        restart=True,
    ),
    Setting(
        ("advanced", "log_directories_to_keep"),
        Between(5, 30),
        10,
        _("Each start makes a folder of logs; old ones must go."),
        LOGGING,
    ),
    Setting(
        ("mqtt", "include_device_information"),
        Among((True,)),
        True,
        _("Each report carries the meter's address: after an exchange nothing is billed to the wrong meter."),
        MQTT,
        weighty=True,
    ),
    Setting(
        ("mqtt", "force_disable_retain"),
        Among((False,)),
        False,
        _("It would hide whether Zigbee2MQTT runs, and which meters are available, after each reconnect."),
        MQTT,
        restart=True,
        weighty=True,
    ),
    Setting(
        ("device_options", "filtered_cache"),
        Holding(MEASURED),
        list(MEASURED),
        _("Old values are not repeated as if they had just been measured."),
        DEVICES,
        weighty=True,
        absent=[],
    ),
    Setting(
        ("device_options", "qos"),
        Among((1, 2)),
        1,
        _("What is measured while our software is away waits on the broker instead of being lost."),
        DEVICES,
        weighty=True,
        absent=0,
    ),
    Setting(
        ("device_options", "retain"),
        Among((False,)),
        False,
        _("A retained report is old, and looks new to whoever connects."),
        DEVICES,
        absent=False,
    ),
    Setting(
        ("health", "interval"),
        Between(1, 10),
        10,
        _("Minutes between two reports of its health; a hanging Zigbee2MQTT is noticed after three."),
        HEALTH,
        restart=True,
    ),
    Setting(
        ("health", "reset_on_check"),
        Among((False,)),
        False,
        _("Messages are counted on from report to report; our charts take the differences."),
        HEALTH,
    ),
)


@dataclass(frozen=True, slots=True)
class Reporting:
    """At most so many seconds between two reports of an attribute, and at least so many."""

    cluster: str
    attribute: str
    minimum_s: int
    maximum_s: int


REPORTINGS: Sequence[Reporting] = (
    Reporting("seMetering", "currentSummDelivered", 5, 900),
    Reporting("haElectricalMeasurement", "activePower", 5, 3600),
    Reporting("haElectricalMeasurement", "rmsCurrent", 5, 3600),
    Reporting("haElectricalMeasurement", "rmsVoltage", 5, 3600),
)
OUTAGE_MEMORY = {"never_cut": ("on", "restore")}
"""By the pitch's policy; the first is what is recommended."""
OUTAGE_MEMORY_ELSE = ("restore",)


def setting(code: str) -> Setting:
    return next(each for each in SETTINGS if each.code == code)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
