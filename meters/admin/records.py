"""What was not billed, what could not be used, the counters' epochs, the worker. Read-only."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meters import online
from meters.admin.base import NOTHING, ReadOnlyAdmin, ago, label, quantity
from meters.models import CounterEpoch, QuarantinedReading, RejectedMessage, WorkerState


def kwh(watt_hours: int | None) -> str:
    return NOTHING if watt_hours is None else quantity(Decimal(watt_hours).scaleb(-3), "kWh", 3)


class HappenedFilter(admin.ChoicesFieldListFilter):
    """What a machine found; a reason is what a person gives."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = _("what happened")


class HappenedColumn:
    @admin.display(description=_("what happened"), ordering="reason")
    def happened(self, row: CounterEpoch | QuarantinedReading) -> str:
        return row.get_reason_display()


class Recorded(ReadOnlyAdmin):
    """Rows of a meter."""

    search_fields = ["meter__device__friendly_name", "meter__device__ieee_address"]
    list_filter = [("reason", HappenedFilter), "meter__device__area"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("meter__device")


class QuarantinedColumns(HappenedColumn):
    @admin.display(description=_("counter"), ordering="counter_wh")
    def counter(self, row: QuarantinedReading) -> str:
        return kwh(row.counter_wh)

    @admin.display(description=_("counter before"), ordering="expected_wh")
    def expected(self, row: QuarantinedReading) -> str:
        return kwh(row.expected_wh)


class EpochColumns(HappenedColumn):
    @admin.display(description=_("first value"), ordering="first_wh")
    def first(self, epoch: CounterEpoch) -> str:
        return kwh(epoch.first_wh)

    @admin.display(description=_("last value"), ordering="last_wh")
    def last(self, epoch: CounterEpoch) -> str:
        return kwh(epoch.last_wh)

    @admin.display(description=_("energy"))
    def energy(self, epoch: CounterEpoch) -> str:
        return kwh(epoch.last_wh - epoch.first_wh)


@admin.register(QuarantinedReading)
class QuarantinedReadingAdmin(QuarantinedColumns, Recorded):
    list_display = fields = ["meter", "measured_at", "counter", "expected", "happened"]
    date_hierarchy = "measured_at"


@admin.register(CounterEpoch)
class CounterEpochAdmin(EpochColumns, Recorded):
    list_display = fields = ["meter", "number", "happened", "first_at", "first", "last_at", "last", "energy"]


@admin.register(RejectedMessage)
class RejectedMessageAdmin(ReadOnlyAdmin):
    list_display = ["topic", "code", "detail", "count", "last"]
    list_filter = ["code"]
    search_fields = ["topic", "detail"]

    @admin.display(description=_("last"), ordering="last_at")
    def last(self, row: RejectedMessage) -> str:
        return ago(row.last_at)


@admin.register(WorkerState)
class WorkerStateAdmin(ReadOnlyAdmin):
    list_display = ["called", "state", "heartbeat", "queued", "lag_s", "stored", "rejected"]
    exclude = ["name"]

    @admin.display(description=_("name"), ordering="name")
    def called(self, worker: WorkerState) -> str:
        return worker.name

    @admin.display(description=_("state"))
    def state(self, worker: WorkerState) -> str:
        if timezone.now() - worker.heartbeat_at >= online.WORKER_SILENCE:
            return label(_("does not run"), "danger")
        return label(_("connected"), "success") if worker.connected_at else label(_("no broker"), "danger")

    @admin.display(description=_("last sign of life"))
    def heartbeat(self, worker: WorkerState) -> str:
        return ago(worker.heartbeat_at)
