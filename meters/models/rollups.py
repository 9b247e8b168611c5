"""What stays of the readings: by hour, by day of the campsite; and what became of the readings themselves."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from meters.models.devices import Meter


class HourlyUsage(models.Model):
    """What a meter used in an hour that begins at `hour` (UTC). Written only by meters/readings.

    `energy_wh` sums to the counter's rise exactly; `estimated_wh` of it was spread over several hours. Power figures
    are of the readings in the hour; null where none told the power. `readings`: how many rows of Reading it stands for.
    `is_summed`: its day (DailyUsage) holds it as it is; whatever changes an hour takes that back.
    """

    pk = models.CompositePrimaryKey("meter", "hour")
    # The key begins with it.
    meter = models.ForeignKey(Meter, models.CASCADE, related_name="+", db_index=False, verbose_name=_("meter"))
    hour = models.DateTimeField(_("hour"))
    energy_wh = models.IntegerField(_("energy in Wh"), default=0)
    estimated_wh = models.IntegerField(_("of it estimated"), default=0)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    power_min_w = models.IntegerField(null=True)
    power_max_w = models.IntegerField(null=True)
    voltage_min_dv = models.SmallIntegerField(null=True)
    voltage_max_dv = models.SmallIntegerField(null=True)
    current_max_ma = models.IntegerField(null=True)
    readings = models.PositiveIntegerField(_("readings"), db_default=0)
    is_summed = models.BooleanField(db_default=False)

    class Meta:
        indexes = [models.Index(fields=["meter", "hour"], condition=models.Q(is_summed=False), name="hour_unsummed")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(estimated_wh__gte=0, estimated_wh__lte=models.F("energy_wh")),
                name="estimated_is_a_part",
            )
        ]
        verbose_name = _("hourly use")
        verbose_name_plural = _("hourly use")

    def __str__(self) -> str:
        return f"{self.meter_id} {self.hour}"


class DailyUsage(models.Model):
    """What a meter used on a day of the campsite (23 to 25 hours): the sum of its hours, kept for ever.

    Written only by meters/readings. `is_final`: its hours are gone, it is never computed anew.
    """

    pk = models.CompositePrimaryKey("meter", "day")
    # The key begins with it.
    meter = models.ForeignKey(Meter, models.CASCADE, related_name="+", db_index=False, verbose_name=_("meter"))
    day = models.DateField(_("day"))
    energy_wh = models.IntegerField(_("energy in Wh"))
    estimated_wh = models.IntegerField(_("of it estimated"))
    readings = models.PositiveIntegerField(_("readings"))
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    power_min_w = models.IntegerField(null=True)
    power_max_w = models.IntegerField(null=True)
    voltage_min_dv = models.SmallIntegerField(null=True)
    voltage_max_dv = models.SmallIntegerField(null=True)
    current_max_ma = models.IntegerField(null=True)
    is_final = models.BooleanField(default=False, db_default=False)

    class Meta:
        # With what a year of the whole site is summed from. Days are written at night alone.
        indexes = [models.Index(fields=["day"], include=["meter", "energy_wh", "estimated_wh"], name="day_of_use")]
        verbose_name = _("daily use")
        verbose_name_plural = _("daily use")

    def __str__(self) -> str:
        return f"{self.meter_id} {self.day}"


class ReadingDay(models.Model):
    """What became of a day's (UTC) readings once it was over: packed, proven, dropped.

    Written only by meters/retention.py. Proven: computed anew from its readings, its hours were the same. `problem`
    says why they were not; such a day is kept. `forgotten_at`: it was decided that it goes, and nothing of it is taken
    in any more; `dropped_at`: its table is gone.
    """

    day = models.DateField(_("day"), primary_key=True)
    packed_at = models.DateTimeField(_("packed"), null=True)
    looked_at = models.DateTimeField(_("looked at"), null=True)
    readings = models.PositiveIntegerField(_("readings"), null=True)
    raw_wh = models.BigIntegerField(_("Wh by its readings"), null=True)
    hours_wh = models.BigIntegerField(_("Wh by its hours"), null=True)
    problem = models.TextField(_("problem"), blank=True)
    proven_at = models.DateTimeField(_("proven"), null=True)
    forgotten_at = models.DateTimeField(_("given up"), null=True)
    dropped_at = models.DateTimeField(_("dropped"), null=True)

    class Meta:
        ordering = ["-day"]
        verbose_name = _("day of readings")
        verbose_name_plural = _("days of readings")

    def __str__(self) -> str:
        return f"{self.day}"
