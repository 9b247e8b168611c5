"""Devices as Zigbee2MQTT lists them, meters as staff keep them, and where each meter hung when."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.db import models
from django.utils.translation import gettext_lazy as _

from meters.models.areas import Area
from meters.models.pitches import Pitch


class Device(models.Model):
    """A Zigbee device; its IEEE address is its identity, name and area are what was last reported.

    Written only by meters/registry.py.
    """

    class Kind(models.TextChoices):
        SINGLE_PHASE = "single_phase", _("single-phase meter")
        THREE_PHASE = "three_phase", _("three-phase meter")
        REPEATER = "repeater", _("repeater")
        OTHER = "other", _("other")

    ieee_address = models.CharField(_("IEEE address"), max_length=18, unique=True)
    area = models.ForeignKey(Area, models.SET_NULL, null=True, related_name="devices", verbose_name=_("area"))
    friendly_name = models.CharField(_("name"), max_length=250)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices, default=Kind.OTHER)
    vendor = models.CharField(_("vendor"), max_length=100, blank=True)
    model = models.CharField(_("model"), max_length=100, blank=True)
    model_id = models.CharField(_("Zigbee model"), max_length=100, blank=True)
    manufacturer = models.CharField(_("Zigbee manufacturer"), max_length=100, blank=True)
    software_build = models.CharField(_("firmware"), max_length=100, blank=True)
    has_relay = models.BooleanField(_("has a relay"), default=False)
    relay_readable = models.BooleanField(
        _("tells its relay's position when asked"), default=True, db_default=models.Value(True)
    )
    phases = ArrayField(models.CharField(max_length=20), verbose_name=_("phases"), default=list)
    interview_state = models.CharField(_("interview"), max_length=20, blank=True)
    disabled = models.BooleanField(_("disabled in Zigbee2MQTT"), default=False)
    outage_memory = models.CharField(
        _("when power returns"), max_length=10, blank=True, default="", db_default=models.Value("")
    )
    available = models.BooleanField(_("available"), null=True)
    available_since = models.DateTimeField(_("since"), null=True)
    heard_at = models.DateTimeField(_("last heard"), null=True, help_text=_("Only for devices that are no meters."))
    announced_at = models.DateTimeField(_("last power return"), null=True)
    left_at = models.DateTimeField(_("left the network"), null=True)
    first_seen_at = models.DateTimeField(_("first seen"))
    joined_at = models.DateTimeField(_("last joined"), null=True, help_text=_("As heard while it did."))
    updating_at = models.DateTimeField(_("firmware last being replaced"), null=True)
    supported = models.BooleanField(_("known to Zigbee2MQTT"), null=True)
    reportings = models.JSONField(
        _("tells by itself"),
        default=list,
        db_default=models.Value([], models.JSONField()),
        help_text=_("As Zigbee2MQTT asked it to."),
    )
    removed_at = models.DateTimeField(_("removed"), null=True, help_text=_("No area lists it any more."))

    class Meta:
        ordering = ["friendly_name"]
        verbose_name = _("device")
        verbose_name_plural = _("devices")

    def __str__(self) -> str:
        return self.friendly_name.strip() or self.ieee_address

    @property
    def is_meter(self) -> bool:
        return self.kind in (Device.Kind.SINGLE_PHASE, Device.Kind.THREE_PHASE)


class Listing(models.Model):
    """A line of an area's inventory: under which name this area lists which device. Written only by meters/registry.py.

    Two areas may list one device; the last live message decides which of them owns it (Device.area).
    """

    area = models.ForeignKey(Area, models.CASCADE, related_name="listings", verbose_name=_("area"))
    device = models.ForeignKey(Device, models.CASCADE, related_name="listings", verbose_name=_("device"))
    friendly_name = models.CharField(_("name"), max_length=250)
    named_at = models.DateTimeField(_("under this name since"))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["area", "device"], name="listed_once_an_area"),
            models.UniqueConstraint(fields=["area", "friendly_name"], name="one_device_a_name"),
        ]
        verbose_name = _("inventory line")
        verbose_name_plural = _("inventory")

    def __str__(self) -> str:
        return f"{self.area}: {self.friendly_name}"


class Meter(models.Model):
    """Staff's card of a measuring device. Made only by meters/registry.py when one appears, edited in the admin."""

    device = models.OneToOneField(Device, models.PROTECT, related_name="meter", verbose_name=_("device"))
    rated_a = models.PositiveSmallIntegerField(
        _("breaker in A"),
        default=63,
        help_text=_("What it can pass at most; a counter that rises faster is not believed."),
    )
    note = models.CharField(_("note"), max_length=250, blank=True)
    created_at = models.DateTimeField(_("since"), auto_now_add=True)

    class Meta:
        ordering = ["device__friendly_name"]
        permissions = [("switch_meter", "Can switch meters on and off")]
        verbose_name = _("meter")
        verbose_name_plural = _("meters")

    def __str__(self) -> str:
        return str(self.device)

    @property
    def relay(self) -> bool | None:
        """Its position as last told; None: never."""
        return self.state.relay if hasattr(self, "state") else None


class Installation(models.Model):
    """Which meter served which pitch from when to when. Written only by meters/installations.py."""

    meter = models.ForeignKey(Meter, models.PROTECT, related_name="installations", verbose_name=_("meter"))
    pitch = models.ForeignKey(Pitch, models.PROTECT, related_name="installations", verbose_name=_("pitch"))
    period = DateTimeRangeField(_("period"))
    start_kwh = models.DecimalField(
        _("counter when put up, in kWh"),
        max_digits=12,
        decimal_places=3,
        null=True,
        help_text=_("As a person read it from the display."),
    )
    end_kwh = models.DecimalField(
        _("counter when taken down, in kWh"),
        max_digits=12,
        decimal_places=3,
        null=True,
        help_text=_("As a person read it from the display."),
    )
    end_reason = models.CharField(
        _("why it was taken down"), max_length=250, blank=True, default="", db_default=models.Value("")
    )

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="a_meter_hangs_in_one_place",
                expressions=[("meter", RangeOperators.EQUAL), ("period", RangeOperators.OVERLAPS)],
            )
        ]
        verbose_name = _("installation")
        verbose_name_plural = _("installations")

    def __str__(self) -> str:
        return f"{self.meter} → {self.pitch}"
