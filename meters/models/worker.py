"""What the MQTT worker tells of itself, and what it could not use."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class WorkerState(models.Model):
    """A worker's own report. Written only by meters/worker.py.

    One row, or one for each shard: no area is in two of them, as whoever begins deletes the rows of those that it
    replaces.
    """

    name = models.CharField(primary_key=True, max_length=100, default="mqtt")
    areas = ArrayField(models.BigIntegerField(), verbose_name=_("areas"), null=True, help_text=_("None: all."))
    tells = models.BooleanField(_("tells the browsers"), default=False)
    boot = models.CharField(_("run"), max_length=16, help_text=_("A new one at each start."))
    tick = models.PositiveBigIntegerField(_("last message to the browsers"), default=0)
    host = models.CharField(_("host"), max_length=100, blank=True)
    process_id = models.PositiveIntegerField(_("process"), null=True)
    started_at = models.DateTimeField(_("started"))
    heartbeat_at = models.DateTimeField(_("last sign of life"))
    broker = models.CharField(_("broker"), max_length=200, blank=True)
    connected_at = models.DateTimeField(_("connected since"), null=True)
    queued = models.PositiveIntegerField(_("waiting messages"), default=0)
    lag_s = models.FloatField(_("age of the oldest waiting message in s"), default=0)
    received = models.PositiveBigIntegerField(_("received"), default=0)
    stored = models.PositiveBigIntegerField(_("stored"), default=0)
    rejected = models.PositiveBigIntegerField(_("rejected"), default=0)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return self.name

    @property
    def shard(self) -> str:
        """What people call it; nothing where it takes all areas."""
        return "" if self.areas is None else self.name.removeprefix("mqtt-")

    def takes(self, area_id: int | None) -> bool:
        """Whether it is this worker that listens to the area. Of what is in none, whoever tells the browsers knows."""
        return self.areas is None or (self.tells if area_id is None else area_id in self.areas)


class RejectedMessage(models.Model):
    """Messages that could not be used: one row a topic and reason, with a count and the last sample. Bounded.

    Written only by meters/rejected.py.
    """

    topic = models.CharField(_("topic"), max_length=300)
    code = models.CharField(_("code"), max_length=40)
    detail = models.CharField(_("detail"), max_length=500, blank=True)
    sample = models.TextField(_("sample"), blank=True)
    count = models.PositiveBigIntegerField(_("times"), default=1)
    first_at = models.DateTimeField(_("first"))
    last_at = models.DateTimeField(_("last"))

    class Meta:
        ordering = ["-last_at"]
        constraints = [models.UniqueConstraint(fields=["topic", "code"], name="rejected_once_a_topic_and_code")]
        verbose_name = _("rejected message")
        verbose_name_plural = _("rejected messages")

    def __str__(self) -> str:
        return f"{self.topic}: {self.code}"
