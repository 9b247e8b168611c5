"""What was measured: the latest values, the raw readings, the counter's epochs."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from meters.models.devices import Meter

VALUES_FROZEN_AFTER = timedelta(hours=1)
"""A voltage that has not moved for so long is not measured any more. The same in static/js/board/truth.js."""


class MeterState(models.Model):
    """The latest known value of each quantity, each with the time it was measured. Written only by meters/readings.

    In an area whose Zigbee2MQTT repeats cached values, a value's time is when it was last seen to change.
    """

    meter = models.OneToOneField(Meter, models.CASCADE, primary_key=True, related_name="state", verbose_name=_("meter"))
    heard_at = models.DateTimeField(_("last heard"), null=True)
    gap_s = models.FloatField(_("usual gap between reports in s"), null=True)
    relay = models.BooleanField(_("relay"), null=True)
    relay_at = models.DateTimeField(null=True)
    power_w = models.IntegerField(_("power in W"), null=True)
    power_at = models.DateTimeField(null=True)
    voltage_v = models.DecimalField(_("voltage in V"), max_digits=5, decimal_places=1, null=True)
    voltage_at = models.DateTimeField(null=True)
    current_a = models.DecimalField(_("current in A"), max_digits=10, decimal_places=3, null=True)
    current_at = models.DateTimeField(null=True)
    phase_power_w = ArrayField(models.IntegerField(null=True), null=True, verbose_name=_("power by phase in W"))
    phase_voltage_v = ArrayField(
        models.DecimalField(max_digits=5, decimal_places=1, null=True),
        null=True,
        verbose_name=_("voltage by phase in V"),
    )
    phase_current_a = ArrayField(
        models.DecimalField(max_digits=10, decimal_places=3, null=True),
        null=True,
        verbose_name=_("current by phase in A"),
    )
    phases_at = models.DateTimeField(null=True)
    counter_kwh = models.DecimalField(_("counter in kWh"), max_digits=11, decimal_places=3, null=True)
    counter_at = models.DateTimeField(null=True)
    epoch = models.PositiveSmallIntegerField(_("counter epoch"), null=True)
    energy_kwh = models.DecimalField(_("energy in kWh"), max_digits=12, decimal_places=3, default=Decimal(0))
    pending = models.JSONField(_("counter values not yet believed"), default=list)
    linkquality = models.PositiveSmallIntegerField(_("link quality"), null=True)
    linkquality_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(energy_kwh__gte=0), name="energy_is_never_negative")]
        verbose_name = _("meter's state")
        verbose_name_plural = _("meters' states")

    def __str__(self) -> str:
        return str(self.meter_id)

    @classmethod
    def of(cls, meter: Meter) -> MeterState:
        """What this meter last told; nothing is known where it was never heard."""
        return getattr(meter, "state", None) or cls(meter_id=meter.pk)

    def is_frozen(self, now: datetime) -> bool:
        """Whether watts, volts and amperes have all stood still for so long that none of them is measured any more."""
        told = [at for at in (self.power_at, self.voltage_at, self.current_at, self.phases_at) if at]
        return bool(told) and now - max(told) > VALUES_FROZEN_AFTER


class Reading(models.Model):
    """One report of a meter as the device said it, a partition a UTC day. Written only by meters/readings.

    `counter_wh` is raw; `epoch` is set where the value counts for energy (fresh and believed), else null.
    """

    pk = models.CompositePrimaryKey("meter", "measured_at")
    measured_at = models.DateTimeField(_("measured"))
    meter = models.ForeignKey(Meter, models.DO_NOTHING, db_constraint=False, related_name="+", verbose_name=_("meter"))
    counter_wh = models.IntegerField(_("counter in Wh"), null=True)
    power_w = models.IntegerField(_("power in W"), null=True)
    current_ma = models.IntegerField(_("current in mA"), null=True)
    epoch = models.SmallIntegerField(_("counter epoch"), null=True)
    voltage_dv = models.SmallIntegerField(_("voltage in 0.1 V"), null=True)
    linkquality = models.SmallIntegerField(_("link quality"), null=True)
    relay = models.BooleanField(_("relay"), null=True)

    class Meta:
        managed = False  # Django knows no partitions: the table is made by a migration's SQL
        db_table = "meters_reading"
        verbose_name = _("reading")
        verbose_name_plural = _("readings")

    def __str__(self) -> str:
        return f"{self.meter_id} {self.measured_at}"


class CounterEpoch(models.Model):
    """A stretch in which a meter's raw counter only rose. Written only by meters/readings.

    Energy is the sum over all epochs of (last - first); what happens between two epochs was not measured.
    """

    class Reason(models.TextChoices):
        FIRST = "first", _("first value")
        FALL = "fall", _("the counter fell")
        JUMP = "jump", _("the counter jumped; the jump was not billed")

    # The index of one_epoch_a_number begins with it.
    meter = models.ForeignKey(Meter, models.CASCADE, related_name="epochs", db_index=False, verbose_name=_("meter"))
    number = models.PositiveSmallIntegerField(_("number"))
    reason = models.CharField(_("reason"), max_length=10, choices=Reason.choices)
    first_wh = models.IntegerField(_("first value in Wh"))
    first_at = models.DateTimeField(_("from"))
    last_wh = models.IntegerField(_("last value in Wh"))
    last_at = models.DateTimeField(_("to"))

    class Meta:
        ordering = ["meter", "number"]
        constraints = [
            models.UniqueConstraint(fields=["meter", "number"], name="one_epoch_a_number"),
            models.CheckConstraint(condition=models.Q(last_wh__gte=models.F("first_wh")), name="an_epoch_rises"),
        ]
        verbose_name = _("counter epoch")
        verbose_name_plural = _("counter epochs")

    def __str__(self) -> str:
        return f"{self.meter_id}/{self.number}"


class QuarantinedReading(models.Model):
    """A counter value that was not billed, kept for staff to look at. Written only by meters/readings."""

    class Reason(models.TextChoices):
        FALL = "fall", _("lower than before")
        JUMP = "jump", _("rose more than the breaker can pass")
        GLITCH = "glitch", _("gone again at the next report")
        LATE = "late", _("came late and does not fit between its neighbours")

    meter = models.ForeignKey(Meter, models.CASCADE, related_name="quarantined", verbose_name=_("meter"))
    measured_at = models.DateTimeField(_("measured"))
    counter_wh = models.IntegerField(_("counter in Wh"))
    expected_wh = models.IntegerField(_("counter before in Wh"), null=True)
    reason = models.CharField(_("reason"), max_length=10, choices=Reason.choices)
    created_at = models.DateTimeField(_("noted"), auto_now_add=True)

    class Meta:
        ordering = ["-measured_at"]
        constraints = [models.UniqueConstraint(fields=["meter", "measured_at"], name="quarantined_once")]
        verbose_name = _("quarantined counter value")
        verbose_name_plural = _("quarantined counter values")

    def __str__(self) -> str:
        return f"{self.meter_id} {self.measured_at}"


class OnlineSpan(models.Model):
    """From when to when a meter was online; `until` null while it still is. Written only by meters/online.py."""

    meter = models.ForeignKey(Meter, models.CASCADE, related_name="spans", verbose_name=_("meter"))
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("to"), null=True)
    ended_by = models.CharField(_("ended by"), max_length=20, blank=True)

    class Meta:
        ordering = ["-since"]
        indexes = [models.Index(fields=["meter", "since"], name="span_by_meter")]
        constraints = [
            models.UniqueConstraint(fields=["meter"], condition=models.Q(until__isnull=True), name="one_open_span"),
        ]
        verbose_name = _("time online")
        verbose_name_plural = _("times online")

    def __str__(self) -> str:
        return f"{self.meter_id} {self.since}"


class Watch(models.Model):
    """From when to when somebody listened: to an area, or to all. Of other times nothing is known.

    Written only by meters/online.py.
    """

    area = models.ForeignKey("meters.Area", models.CASCADE, null=True, related_name="+", verbose_name=_("area"))
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("to"), db_index=True)

    class Meta:
        verbose_name = _("time watched")
        verbose_name_plural = _("times watched")

    def __str__(self) -> str:
        return f"{self.since} – {self.until}"


class Snapshot(models.Model):
    """What a meter's billed energy stood at, at a moment that matters to somebody: a guest came, or left.

    Written only by meters/snapshots.py. `energy_kwh` is at first what was last known (as of `known_at`); once the
    meter has told its counter after `at`, it is settled: read within a moment, or estimated between two readings.
    """

    class Quality(models.TextChoices):
        WAITING = "waiting", _("the meter is being asked")
        READ = "read", _("read")
        ESTIMATED = "estimated", _("estimated between two readings")
        LAST_KNOWN = "last_known", _("last known value; the meter has not answered")

    meter = models.ForeignKey(Meter, models.PROTECT, related_name="snapshots", verbose_name=_("meter"))
    at = models.DateTimeField(_("at"))
    energy_kwh = models.DecimalField(_("energy in kWh"), max_digits=12, decimal_places=3)
    known_at = models.DateTimeField(_("as of"), null=True, help_text=_("When the value was measured."))
    quality = models.CharField(_("how sure"), max_length=10, choices=Quality.choices, default=Quality.WAITING)
    asked_at = models.DateTimeField(_("asked"), null=True)
    questions = models.PositiveSmallIntegerField(_("times asked"), default=0)
    settled_at = models.DateTimeField(_("settled"), null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["meter", "at"], name="one_snapshot_a_meter_and_moment")]
        indexes = [models.Index(fields=["at"], condition=models.Q(settled_at=None), name="snapshot_unsettled")]
        verbose_name = _("snapshot of the energy")
        verbose_name_plural = _("snapshots of the energy")

    def __str__(self) -> str:
        return f"{self.meter_id} {self.at} {self.energy_kwh}"
