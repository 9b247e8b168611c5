"""What the API tells of areas, pitches and meters. Every quantity names its unit; times are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from meters import online
from meters.models import Area, Device, Installation, Meter, MeterState, Pitch, Source, Want

METER_KINDS = [c for c in Device.Kind.choices if c[0] in (Device.Kind.SINGLE_PHASE, Device.Kind.THREE_PHASE)]
ON_OFF = [("on", "on"), ("off", "off")]
REASONS = list(online.REASONS)
HOLDS = [choice for choice in Want.Hold.choices if choice[0]]
ONLINE = {online.Status.ONLINE: True, online.Status.OFFLINE: False, online.Status.UNKNOWN: None}


def time(source: str | None = None, help_text: str = "") -> serializers.DateTimeField:
    """A moment in UTC, null where there is none."""
    return serializers.DateTimeField(
        source=source, default_timezone=UTC, allow_null=True, read_only=True, help_text=help_text
    )


def decimal(source: str | None, digits: int, places: int, help_text: str) -> serializers.DecimalField:
    return serializers.DecimalField(digits, places, source=source, allow_null=True, read_only=True, help_text=help_text)


def whole(source: str, help_text: str) -> serializers.IntegerField:
    return serializers.IntegerField(source=source, allow_null=True, read_only=True, help_text=help_text)


# --- areas -----------------------------------------------------------------------------------------------------------


class MeterCountsSerializer(serializers.Serializer[Any]):
    """How many of the area's meters have which online status now; removed ones are not counted."""

    online = serializers.IntegerField()
    offline = serializers.IntegerField()
    unknown = serializers.IntegerField()


class AreaSerializer(serializers.ModelSerializer[Area]):
    """An area: what staff decided, and what its Zigbee2MQTT last reported (null where it did not)."""

    bridge = serializers.SerializerMethodField(
        help_text="Whether its Zigbee2MQTT runs. Unknown, too, while nobody listens to the broker."
    )
    bridge_since = time("state.bridge_since", "When it last came or went, as far as that was told.")
    seen_at = time("state.seen_at", "When its last message came.")
    version = serializers.CharField(
        source="state.version", allow_null=True, read_only=True, help_text="Zigbee2MQTT's version, empty if unknown."
    )
    channel = whole("state.channel", "The Zigbee channel that it reports.")
    permit_join = serializers.BooleanField(
        source="state.permit_join", allow_null=True, read_only=True, help_text="Whether it is open for new devices."
    )
    restart_required = serializers.BooleanField(
        source="state.restart_required", allow_null=True, read_only=True, help_text="Whether it asks for a restart."
    )
    pause_on_backoff_gt = whole(
        "state.pause_on_backoff_gt", "Beyond this backoff factor a dead device is pinged no more. Null: not set."
    )
    backoff_safe = serializers.BooleanField(
        source="state.is_backoff_safe",
        allow_null=True,
        read_only=True,
        help_text="Whether pause_on_backoff_gt is 8 to 15, so that dead devices cannot block the mesh. Null: unknown.",
    )
    meters = serializers.SerializerMethodField(help_text="Meters by online status.")

    class Meta:
        model = Area
        fields = [
            *("name", "slug", "base_topic", "expected_channel", "wifi_channels", "in_service", "control"),
            *("bridge", "bridge_since", "seen_at", "version", "channel", "permit_join", "restart_required"),
            *("pause_on_backoff_gt", "backoff_safe", "meters"),
        ]

    @extend_schema_field(serializers.ChoiceField(choices=["unknown", "online", "offline"]))
    def get_bridge(self, area: Area) -> str:
        link: online.Link = self.context["link"]
        return link.bridge(area.pk)

    @extend_schema_field(MeterCountsSerializer)
    def get_meters(self, area: Area) -> dict[str, int]:
        counts = self.context["counts"].get(area.pk, {})
        return {status.value: counts.get(status, 0) for status in online.Status}


# --- pitches ---------------------------------------------------------------------------------------------------------


class InstalledMeterSerializer(serializers.ModelSerializer[Installation]):
    """A meter that serves the pitch now."""

    ieee_address = serializers.CharField(source="meter.device.ieee_address", read_only=True)
    name = serializers.CharField(source="meter.device.friendly_name", read_only=True)
    since = time("period.lower", "Since when it serves this pitch.")

    class Meta:
        model = Installation
        fields = ["ieee_address", "name", "since"]


class PitchSerializer(serializers.ModelSerializer[Pitch]):
    """A place of the campsite, and the meters that serve it now."""

    occupied_until = time(help_text="Until when it is booked, as far as it is known. Null: not occupied.")
    meters = InstalledMeterSerializer(source="present", many=True, read_only=True)

    class Meta:
        model = Pitch
        fields = ["number", "kind", "policy", "fuse_a", "occupied_until", "meters"]


# --- meters ----------------------------------------------------------------------------------------------------------


class PhaseSerializer(serializers.Serializer[Any]):
    """One phase of a three-phase meter, as last reported."""

    name = serializers.CharField(help_text="As Zigbee2MQTT names it, e.g. a, b, c.")
    power_w = serializers.IntegerField(allow_null=True, help_text="Power in W.")
    voltage_v = serializers.DecimalField(5, 1, allow_null=True, help_text="Voltage in V.")
    current_a = serializers.DecimalField(10, 3, allow_null=True, help_text="Current in A.")


class WantSerializer(serializers.ModelSerializer[Want]):
    """Who wants what of a meter's relay. Of several, the highest source counts: staff, guest, cleaning, policy."""

    state = serializers.ChoiceField(source="word", choices=ON_OFF, read_only=True, help_text="What it should be.")
    source = serializers.ChoiceField(choices=Source.choices, read_only=True, help_text="Who wants it.")  # type: ignore[assignment]
    reason = serializers.CharField(read_only=True, help_text="Why; may be empty.")
    by = serializers.CharField(
        source="by.username", allow_null=True, read_only=True, help_text="The user. Null: the software itself."
    )
    until = time(help_text="Until when. Null: until further notice.")
    since = time(help_text="Since when it is in force.")
    hold = serializers.SerializerMethodField(help_text="Why nothing is done although the relay is not so. Null: none.")
    hold_text = serializers.SerializerMethodField(help_text="The same in words.")

    class Meta:
        model = Want
        fields = ["state", "source", "reason", "by", "until", "since", "hold", "hold_text"]

    @extend_schema_field(serializers.ChoiceField(choices=HOLDS, allow_null=True))
    def get_hold(self, want: Want) -> str | None:
        return want.hold or None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_hold_text(self, want: Want) -> str | None:
        return want.get_hold_display() or None


class MeterSerializer(serializers.ModelSerializer[Meter]):
    """A meter with the latest known value of each quantity and the time of that value. Null: never reported."""

    ieee_address = serializers.CharField(source="device.ieee_address", read_only=True, help_text="Its identity.")
    name = serializers.CharField(source="device.friendly_name", read_only=True, help_text="As Zigbee2MQTT names it.")
    area = serializers.SlugField(
        source="device.area.slug", allow_null=True, read_only=True, help_text="The slug of the area that lists it."
    )
    pitch = serializers.CharField(
        source="pitch_number", allow_null=True, read_only=True, help_text="The number of the pitch that it serves now."
    )
    kind = serializers.ChoiceField(source="device.kind", choices=METER_KINDS, read_only=True)
    model = serializers.CharField(source="device.model", read_only=True)
    has_relay = serializers.BooleanField(source="device.has_relay", read_only=True)
    online = serializers.SerializerMethodField(help_text="Computed at the time of the request. Null: unknown.")
    online_reason = serializers.SerializerMethodField(help_text="Why it is online, or why not.")
    online_until = serializers.SerializerMethodField(
        help_text="When it will count as offline unless it is heard before. Null unless online."
    )
    seen_at = time("state.heard_at", "When it was last heard.")
    relay = serializers.SerializerMethodField(help_text="What its relay last reported.")
    relay_at = time("state.relay_at", "The time of that report.")
    wanted = serializers.SerializerMethodField(help_text="What the relay should be. Null: not managed.")
    want = serializers.SerializerMethodField(help_text="Who wants that, why and until when. Null: not managed.")
    power_w = whole("state.power_w", "Power in W.")
    power_at = time("state.power_at", "The time of that power.")
    voltage_v = decimal("state.voltage_v", 5, 1, "Voltage in V.")
    voltage_at = time("state.voltage_at", "The time of that voltage.")
    current_a = decimal("state.current_a", 10, 3, "Current in A.")
    current_at = time("state.current_at", "The time of that current.")
    phases = serializers.SerializerMethodField(help_text="By phase; null for a single-phase meter.")
    phases_at = time("state.phases_at", "The time of the values by phase.")
    counter_kwh = decimal("state.counter_kwh", 11, 3, "The device's own counter in kWh, as it reports it. It can fall.")
    counter_at = time("state.counter_at", "The time of that counter value; counters often report only once an hour.")
    energy_kwh = serializers.SerializerMethodField(
        help_text="Energy in kWh that was measured since the meter is known. It never falls. Null before the first."
    )
    linkquality = whole("state.linkquality", "Link quality, 0 to 255.")
    linkquality_at = time("state.linkquality_at", "The time of that link quality.")
    removed_at = time("device.removed_at", "Since when no Zigbee2MQTT lists it any more.")

    class Meta:
        model = Meter
        fields = [
            *("ieee_address", "name", "area", "pitch", "kind", "model", "has_relay", "rated_a"),
            *("online", "online_reason", "online_until", "seen_at", "relay", "relay_at", "wanted", "want"),
            *("power_w", "power_at", "voltage_v", "voltage_at", "current_a", "current_at", "phases", "phases_at"),
            *("counter_kwh", "counter_at", "energy_kwh", "linkquality", "linkquality_at", "removed_at"),
        ]

    @extend_schema_field(serializers.BooleanField(allow_null=True))
    def get_online(self, meter: Meter) -> bool | None:
        return ONLINE[_online(meter, self.context).status]

    @extend_schema_field(serializers.ChoiceField(choices=REASONS))
    def get_online_reason(self, meter: Meter) -> str:
        return _online(meter, self.context).reason

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_online_until(self, meter: Meter) -> str | None:
        until = _online(meter, self.context).until
        return serializers.DateTimeField(default_timezone=UTC).to_representation(until) if until else None

    @extend_schema_field(serializers.ChoiceField(choices=ON_OFF, allow_null=True))
    def get_relay(self, meter: Meter) -> str | None:
        relay = MeterState.of(meter).relay
        return None if relay is None else "on" if relay else "off"

    @extend_schema_field(serializers.ChoiceField(choices=ON_OFF, allow_null=True))
    def get_wanted(self, meter: Meter) -> str | None:
        want = _want(meter)
        return want.word if want else None

    @extend_schema_field(WantSerializer(allow_null=True))
    def get_want(self, meter: Meter) -> Any:
        want = _want(meter)
        return WantSerializer(want).data if want else None

    @extend_schema_field(PhaseSerializer(many=True, allow_null=True))
    def get_phases(self, meter: Meter) -> list[dict[str, Any]] | None:
        state, names = MeterState.of(meter), meter.device.phases
        if state.phases_at is None:
            return None
        columns = [state.phase_power_w, state.phase_voltage_v, state.phase_current_a]
        rows = zip(names, *[_padded(column, len(names)) for column in columns], strict=True)
        keys = ("name", "power_w", "voltage_v", "current_a")
        return [dict(zip(keys, row, strict=True)) for row in rows]

    @extend_schema_field(serializers.DecimalField(12, 3, allow_null=True))
    def get_energy_kwh(self, meter: Meter) -> Any:
        state = MeterState.of(meter)
        return state.energy_kwh if state.counter_at else None


def _online(meter: Meter, context: Mapping[str, Any]) -> online.Online:
    return online.status(meter, context["link"], context["now"])


def _want(meter: Meter) -> Want | None:
    return getattr(meter, "want", None)


def _padded(values: list[Any] | None, length: int) -> list[Any]:
    return (list(values or []) + [None] * length)[:length]


# --- use -------------------------------------------------------------------------------------------------------------


class UseSerializer(serializers.Serializer[Any]):
    """Energy used in one hour or one local day."""

    start = time(help_text="The beginning.")
    end = time(help_text="The end: the beginning of the next.")
    energy_kwh = decimal(None, 12, 3, "Energy in kWh, as far as it is known. Null: nothing is; 0: measured as 0.")
    estimated_kwh = decimal(None, 12, 3, "How much of it was spread over several hours, in kWh.")


class UsageSerializer(serializers.Serializer[Any]):
    """What a meter used, by hour or by day."""

    ieee_address = serializers.CharField()
    per = serializers.ChoiceField(choices=[("hour", "hour"), ("day", "day")])
    time_zone = serializers.CharField(help_text="The campsite's zone: its days begin at midnight here.")
    start = time(help_text="The beginning of the first row: `from` rounded down.")
    end = time(help_text="The end of the last row: `to` rounded up.")
    known_until = time(help_text="When its counter was last told: what was used later is in no row yet. Null: never.")
    energy_kwh = decimal(None, 12, 3, "The sum of the rows in kWh, as far as it is known. Null: nothing is.")
    estimated_kwh = decimal(None, 12, 3, "How much of the sum was spread over several hours, in kWh.")
    rows = UseSerializer(many=True)
