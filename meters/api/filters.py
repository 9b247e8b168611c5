"""Which areas, pitches, meters and commands a list shows, and in which order."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from rest_framework.exceptions import ValidationError

from meters import online, overview
from meters.models import Area, Command, Device, Meter, Pitch

ONLINE = {"true": online.Status.ONLINE, "false": online.Status.OFFLINE, "unknown": online.Status.UNKNOWN}
YES_NO = [("true", "true"), ("false", "false")]


class AreaFilter(filters.FilterSet):
    in_service = filters.ChoiceFilter(choices=YES_NO, method="by_service", help_text="Whether the area is in service.")
    ordering = filters.OrderingFilter(fields=["name", "slug"])

    class Meta:
        model = Area
        fields: list[str] = []

    def by_service(self, found: QuerySet[Area], name: str, value: str) -> QuerySet[Area]:
        return found.filter(in_service=value == "true")


class PitchFilter(filters.FilterSet):
    kind = filters.ChoiceFilter(choices=Pitch.Kind.choices, help_text="The kind of the pitch.")
    policy = filters.ChoiceFilter(choices=Pitch.Policy.choices, help_text="How its power may be treated.")
    search = filters.CharFilter(field_name="number", lookup_expr="icontains", help_text="A part of the number.")
    ordering = filters.OrderingFilter(fields=["number", "kind", "occupied_until"])

    class Meta:
        model = Pitch
        fields: list[str] = []


class MeterFilter(filters.FilterSet):
    area = filters.ModelChoiceFilter(
        field_name="device__area",
        to_field_name="slug",
        queryset=Area.objects.all(),
        help_text="The area's slug.",
        error_messages={"invalid_choice": "There is no such area."},
    )
    pitch = filters.ModelChoiceFilter(
        field_name="pitch",
        to_field_name="number",
        queryset=Pitch.objects.all(),
        method="by_pitch",
        help_text="The number of the pitch that the meter serves now.",
        error_messages={"invalid_choice": "There is no such pitch."},
    )
    kind = filters.ChoiceFilter(
        field_name="device__kind",
        choices=[c for c in Device.Kind.choices if c[0] in (Device.Kind.SINGLE_PHASE, Device.Kind.THREE_PHASE)],
        help_text="The kind of the meter.",
    )
    online = filters.ChoiceFilter(
        choices=[(name, name) for name in ONLINE], method="by_online", help_text="The online status, as of now."
    )
    relay = filters.ChoiceFilter(
        choices=[("on", "on"), ("off", "off")], method="by_relay", help_text="What the relay last reported."
    )
    removed = filters.ChoiceFilter(
        choices=YES_NO, method="by_removed", help_text="Whether Zigbee2MQTT no longer lists it. Both when not given."
    )
    search = filters.CharFilter(method="by_text", help_text="A part of the name, of the IEEE address or of the pitch.")
    ordering = filters.OrderingFilter(
        fields={
            "device__friendly_name": "name",
            "device__ieee_address": "ieee_address",
            "pitch_number": "pitch",
            "state__heard_at": "seen_at",
            "state__power_w": "power_w",
            "state__energy_kwh": "energy_kwh",
        }
    )

    class Meta:
        model = Meter
        fields: list[str] = []

    def by_pitch(self, found: QuerySet[Meter], name: str, value: Pitch) -> QuerySet[Meter]:
        return found.filter(Q(pitch_number=value.number))

    def by_online(self, found: QuerySet[Meter], name: str, value: str) -> QuerySet[Meter]:
        return overview.with_status(found, ONLINE[value], timezone.now())

    def by_relay(self, found: QuerySet[Meter], name: str, value: str) -> QuerySet[Meter]:
        return found.filter(state__relay=value == "on")

    def by_removed(self, found: QuerySet[Meter], name: str, value: str) -> QuerySet[Meter]:
        return found.filter(device__removed_at__isnull=value == "false")

    def by_text(self, found: QuerySet[Meter], name: str, value: str) -> QuerySet[Meter]:
        return found.filter(
            Q(device__friendly_name__icontains=value)
            | Q(device__ieee_address__icontains=value)
            | Q(pitch_number__icontains=value)
        )


class CommandFilter(filters.FilterSet):
    meter = filters.CharFilter(method="by_meter", help_text="The meter's IEEE address.")
    area = filters.ModelChoiceFilter(
        field_name="meter__device__area",
        to_field_name="slug",
        queryset=Area.objects.all(),
        help_text="The slug of the area that lists the meter now.",
        error_messages={"invalid_choice": "There is no such area."},
    )
    status = filters.ChoiceFilter(choices=Command.Status.choices, help_text="How far it has come.")
    automatic = filters.ChoiceFilter(
        choices=YES_NO, method="by_automatic", help_text="Whether the software made it by itself."
    )
    open = filters.ChoiceFilter(
        choices=YES_NO, method="by_open", help_text="Whether it is waiting or under way: queued, sent, acknowledged."
    )

    class Meta:
        model = Command
        fields: list[str] = []

    def by_meter(self, found: QuerySet[Command], name: str, value: str) -> QuerySet[Command]:
        meter = Meter.objects.filter(device__ieee_address=value.lower()).first()
        if meter is None:
            raise ValidationError({name: ["There is no such meter."]})
        return found.filter(meter=meter)

    def by_automatic(self, found: QuerySet[Command], name: str, value: str) -> QuerySet[Command]:
        return found.filter(automatic=value == "true")

    def by_open(self, found: QuerySet[Command], name: str, value: str) -> QuerySet[Command]:
        is_open = Q(status__in=Command.OPEN)
        return found.filter(is_open if value == "true" else ~is_open)
