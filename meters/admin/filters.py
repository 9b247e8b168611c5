"""The lists' filters that no column answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meters import online, overview, zigbee2mqtt
from meters.models import Command, Device, Installation, Meter, Want


class OnlineFilter(admin.SimpleListFilter):
    title = _("online")
    parameter_name = "online"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(status.value, text) for status, text in online.WORDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Meter]) -> QuerySet[Meter]:
        asked = self.value()
        if asked not in list(online.Status):
            return queryset
        return overview.with_status(queryset, online.Status(asked), timezone.now())


class PresentFilter(admin.SimpleListFilter):
    """Shows what is present unless told otherwise."""

    parameter_name = "present"
    removed: dict[str, Any]
    """The lookup that finds what is no longer there."""
    words = (_("present"), _("former"), _("all"))

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", self.words[1]), ("all", self.words[2])]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.filter(**self.removed) if self.value() == "no" else queryset.exclude(**self.removed)

    def choices(self, changelist: Any) -> Iterator[Any]:
        choices = super().choices(changelist)
        first: Any = next(choices)
        yield first | {"display": self.words[0]}
        yield from choices


class PresentMeters(PresentFilter):
    title = _("in Zigbee2MQTT")
    removed = {"device__removed_at__isnull": False}


class PresentDevices(PresentFilter):
    title = _("in Zigbee2MQTT")
    removed = {"removed_at__isnull": False}


class PresentInstallations(PresentFilter):
    title = _("state")
    removed = {"period__upper_inf": False}


class OnPitchFilter(admin.SimpleListFilter):
    title = _("pitch")
    parameter_name = "on_pitch"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("on a pitch")), ("no", _("on no pitch"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Meter]) -> QuerySet[Meter]:
        present = Installation.objects.filter(period__contains=timezone.now()).values("meter")
        if self.value() == "yes":
            return queryset.filter(pk__in=present)
        return queryset.exclude(pk__in=present) if self.value() == "no" else queryset


class NameFilter(admin.SimpleListFilter):
    title = _("name")
    parameter_name = "name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("bad", _("does not work with Zigbee2MQTT"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        if self.value() != "bad":
            return queryset
        names = Device.objects.values_list("pk", "friendly_name")
        return queryset.filter(pk__in=[pk for pk, name in names if zigbee2mqtt.bad_name(name)])


class StateFilter(admin.SimpleListFilter):
    title = _("on or off")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("on", _("on")), ("off", _("off"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(state=self.value() == "on") if self.value() in ("on", "off") else queryset


class EndedFilter(admin.SimpleListFilter):
    title = _("in force")
    parameter_name = "ended"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("in force")), ("yes", _("ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Want]) -> QuerySet[Want]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(ended_at__isnull=self.value() == "no")


class HoldFilter(admin.SimpleListFilter):
    """Why a want is not pursued."""

    title = _("held back because")
    parameter_name = "hold"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(value, text) for value, text in Want.Hold.choices if value]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Want]) -> QuerySet[Want]:
        return queryset.filter(hold=self.value(), ended_at=None) if self.value() in Want.Hold.values else queryset


class FailureFilter(admin.SimpleListFilter):
    title = _("what went wrong")
    parameter_name = "failure"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(value, text) for value, text in Command.Failure.choices if value]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Command]) -> QuerySet[Command]:
        return queryset.filter(failure=self.value()) if self.value() in Command.Failure.values else queryset
