"""Areas: what staff decided about each Zigbee2MQTT instance, and what each instance says of itself."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Area(models.Model):
    """One Zigbee2MQTT instance: a coordinator and its meters. Written by the admin's forms; those of a former system
    are made by meters/legacy.
    """

    class Control(models.TextChoices):
        OBSERVE = "observe", _("Observe: show what would be switched, switch nothing by itself")
        ACT = "act", _("Act: switch by itself")

    name = models.CharField(_("name"), max_length=60, unique=True)
    slug = models.SlugField(_("short name"), max_length=40, unique=True)
    base_topic = models.CharField(
        _("base topic"),
        max_length=200,
        unique=True,
        help_text=_("As in this Zigbee2MQTT's configuration, e.g. zigbee2mqtt_area2."),
        validators=[
            RegexValidator(r"^(?![$/])[^+#\x00-\x1f]+(?<!/)$", _("A topic without + or #, and no / at its ends."))
        ],
    )
    expected_channel = models.PositiveSmallIntegerField(
        _("planned Zigbee channel"), null=True, blank=True, validators=[MinValueValidator(11), MaxValueValidator(26)]
    )
    wifi_channels = ArrayField(
        models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(14)]),
        verbose_name=_("Wi-Fi channels nearby"),
        default=list,
        blank=True,
    )
    neighbours: models.ManyToManyField[Area, Any] = models.ManyToManyField(
        "self",
        blank=True,
        verbose_name=_("areas nearby"),
        help_text=_(
            "Those whose meters can hear this one's: for the channel plan. None: all of them are taken for near."
        ),
    )
    in_service = models.BooleanField(
        _("in service"),
        default=False,
        help_text=_("Off while the area is being commissioned: it is shown, but never alarms."),
    )
    control = models.CharField(_("control"), max_length=10, choices=Control.choices, default=Control.OBSERVE)

    commands_per_s = models.FloatField(
        _("commands a second"),
        default=4,
        validators=[MinValueValidator(0.2), MaxValueValidator(10)],
        help_text=_("At most. More than 4 or 5 a second overload a Zigbee network of a hundred meters."),
    )
    most_unanswered = models.PositiveSmallIntegerField(
        _("unanswered at once"),
        default=8,
        validators=[MinValueValidator(1), MaxValueValidator(16)],
        help_text=_("So many commands may wait for an answer; the next one waits until there is room."),
    )

    class Meta:
        ordering = ["name"]
        verbose_name = _("area")
        verbose_name_plural = _("areas")

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a base topic that holds another one: a message would belong to two areas."""
        for other in Area.objects.exclude(pk=self.pk).values_list("base_topic", flat=True):
            if f"{self.base_topic}/".startswith(f"{other}/") or f"{other}/".startswith(f"{self.base_topic}/"):
                raise ValidationError(
                    {"base_topic": _("This topic and %(other)s contain each other.") % {"other": other}}
                )


class AreaState(models.Model):
    """What an area's Zigbee2MQTT last said of itself, and when. Written only by meters/areas.py."""

    class Bridge(models.TextChoices):
        UNKNOWN = "unknown", _("unknown")
        ONLINE = "online", _("online")
        OFFLINE = "offline", _("offline")

    area = models.OneToOneField(Area, models.CASCADE, primary_key=True, related_name="state", verbose_name=_("area"))
    bridge = models.CharField(_("Zigbee2MQTT"), max_length=10, choices=Bridge.choices, default=Bridge.UNKNOWN)
    bridge_since = models.DateTimeField(_("since"), null=True)
    confirmed_at = models.DateTimeField(_("last confirmed"), null=True)
    seen_at = models.DateTimeField(_("last message"), null=True)
    version = models.CharField(_("version"), max_length=40, blank=True)
    coordinator = models.JSONField(_("coordinator"), default=dict)
    coordinator_lost_at = models.DateTimeField(_("lost its antenna"), null=True)
    channel = models.PositiveSmallIntegerField(_("Zigbee channel"), null=True)
    network = models.JSONField(
        _("network"),
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text=_("PAN ID and extended PAN ID."),
    )
    permit_join = models.BooleanField(_("open for new devices"), null=True)
    permit_join_until = models.DateTimeField(_("open until"), null=True)
    restart_required = models.BooleanField(_("needs a restart"), null=True)
    configuration = models.JSONField(_("configuration"), default=dict, help_text=_("Without the secrets."))
    info_at = models.DateTimeField(_("configuration reported"), null=True)
    inventory_at = models.DateTimeField(_("inventory reported"), null=True)
    groups = ArrayField(models.CharField(max_length=250), verbose_name=_("groups"), default=list)
    group_sizes = models.JSONField(
        _("members of groups"), default=dict, db_default=models.Value({}, models.JSONField())
    )
    retained_commands = ArrayField(
        models.CharField(max_length=400),
        verbose_name=_("retained commands"),
        default=list,
        help_text=_("Left on the broker by somebody else: Zigbee2MQTT runs them at each reconnect."),
    )

    class Meta:
        verbose_name = _("area's report")
        verbose_name_plural = _("areas' reports")

    def __str__(self) -> str:
        return f"{self.area}: {self.get_bridge_display()}"

    def setting(self, *path: str) -> Any:
        """The value at `path` of the reported configuration, None where it was not reported."""
        value: Any = self.configuration
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    @property
    def pause_on_backoff_gt(self) -> int | None:
        """As reported: beyond this backoff factor a dead device is pinged no more. None: not reported."""
        value = self.setting("availability", "active", "pause_on_backoff_gt")
        return value if isinstance(value, int) else None

    @property
    def is_backoff_safe(self) -> bool | None:
        """Whether a burnt fuse cannot grow into a cascade of pings: 8 to 15. None: nothing reported."""
        if self.info_at is None:
            return None
        value = self.pause_on_backoff_gt
        return value is not None and 8 <= value <= 15

    @property
    def has_lost_coordinator(self) -> bool:
        """Whether that it lost its antenna was its last word before it went offline."""
        return self.coordinator_lost_at is not None and self.bridge == AreaState.Bridge.OFFLINE

    @classmethod
    def of(cls, area: Area) -> AreaState:
        """What this area's Zigbee2MQTT last said; nothing is known where it was never heard."""
        return getattr(area, "state", None) or cls(area_id=area.pk)


class AreaHealth(models.Model):
    """History of `bridge/health`. Written only by meters/areas.py."""

    area = models.ForeignKey(Area, models.CASCADE, related_name="health", verbose_name=_("area"))
    generated_at = models.DateTimeField(_("generated"))
    uptime_s = models.PositiveIntegerField(_("uptime in s"), null=True)
    mqtt_queued = models.PositiveIntegerField(_("queued"), null=True)
    mqtt_published = models.PositiveBigIntegerField(_("published"), null=True)
    mqtt_received = models.PositiveBigIntegerField(_("received"), null=True)
    memory_percent = models.FloatField(_("memory in %"), null=True)
    load_1min = models.FloatField(_("load"), null=True)
    devices = models.JSONField(_("devices"), default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["area", "generated_at"], name="one_health_report_a_time")]
        verbose_name = _("health report")
        verbose_name_plural = _("health reports")

    def __str__(self) -> str:
        return f"{self.area} {self.generated_at:%Y-%m-%d %H:%M}"


class FoundInstance(models.Model):
    """A Zigbee2MQTT seen on the broker that is no area yet. Bounded. Written only by meters/areas.py."""

    base_topic = models.CharField(_("base topic"), max_length=200, unique=True)
    version = models.CharField(_("version"), max_length=40, blank=True)
    channel = models.PositiveSmallIntegerField(_("Zigbee channel"), null=True)
    first_seen_at = models.DateTimeField(_("first seen"))
    seen_at = models.DateTimeField(_("last seen"))

    class Meta:
        ordering = ["base_topic"]
        verbose_name = _("found Zigbee2MQTT")
        verbose_name_plural = _("found Zigbee2MQTTs")

    def __str__(self) -> str:
        return self.base_topic
