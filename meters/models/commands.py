"""What relays should be, and what was done about it: wants, commands, orders, the stop, requests to a Zigbee2MQTT."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from meters.models.areas import Area
from meters.models.devices import Meter


class Source(models.TextChoices):
    """Who may want something of a meter, the highest first."""

    STAFF = "staff", _("staff")
    GUEST = "guest", _("guest")
    CLEANING = "cleaning", _("cleaning")
    POLICY = "policy", pgettext_lazy("who wants it", "booking")


class Want(models.Model):
    """A wish for a meter's relay: one open per meter and source, the open one of the highest source is what is wanted.

    Written only by meters/commands. Wants of machines (cleaning, policy) are leases: renewed, or they end at `until`.
    """

    class Hold(models.TextChoices):
        """Why nothing is being done although the relay is not as wanted."""

        NONE = "", ""
        OFFLINE = "offline", _("the meter is not online; it is switched when it is heard")
        OBSERVE = "observe", _("its area only observes")
        STOPPED = "stopped", _("everything automatic is stopped")
        NEVER_CUT = "never_cut", _("its pitch is never cut automatically")
        MANUAL = "manual", _("its pitch is switched by hand only")
        UNASKED_OFF = "unasked_off", _("it went off by itself: the breaker tripped, or somebody pressed its button")
        STALE = "stale", _("the decision is old and could not be carried out in time")
        FLIPS = "flips", _("it was switched back again and again: somebody may be standing there")
        FAILED = "failed", _("the last command failed")
        LOAD = "load", _("its relay says off, but current still flows")
        ASKED = "asked", _("its position is being asked for")

    class End(models.TextChoices):
        REPLACED = "replaced", _("replaced")
        ENDED = "ended", _("ended")
        EXPIRED = "expired", _("time ran out")
        CANCELLED = "cancelled", _("cancelled")

    meter = models.ForeignKey(Meter, models.CASCADE, related_name="wants", verbose_name=_("meter"))
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)
    priority = models.PositiveSmallIntegerField(editable=False)
    state = models.BooleanField(_("wanted on"))
    reason = models.CharField(_("reason"), max_length=250, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("by")
    )
    until = models.DateTimeField(_("until"), null=True, blank=True)
    created_at = models.DateTimeField(_("made"))
    since = models.DateTimeField(
        _("in force since"), help_text=_("When it was made, or when what stood above it ended.")
    )
    fulfilled_at = models.DateTimeField(_("fulfilled"), null=True)
    hold = models.CharField(_("not pursued because"), max_length=12, choices=Hold.choices, blank=True, default="")
    hold_at = models.DateTimeField(null=True)
    order = models.ForeignKey("Order", models.SET_NULL, null=True, related_name="wants", verbose_name=_("order"))
    replaces = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+", verbose_name=_("replaces"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    end = models.CharField(_("how it ended"), max_length=10, choices=End.choices, blank=True, default="")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["meter", "source"], condition=Q(ended_at=None), name="one_open_want_a_meter_and_source"
            )
        ]
        indexes = [models.Index(fields=["ended_at"], name="wants_by_end")]
        verbose_name = _("want")
        verbose_name_plural = _("wants")

    def __str__(self) -> str:
        return f"{self.meter}: {self.word}"

    @property
    def word(self) -> str:
        return "on" if self.state else "off"


class Order(models.Model):
    """One click of a person, for one meter or many. Written only by meters/commands."""

    state = models.BooleanField(_("wanted on"))
    reason = models.CharField(_("reason"), max_length=250, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("by"))
    until = models.DateTimeField(_("until"), null=True)
    created_at = models.DateTimeField(_("made"))
    cancelled_at = models.DateTimeField(_("cancelled"), null=True)
    key = models.CharField(max_length=100, blank=True, default="", help_text=_("Of a machine that may ask twice."))

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["by", "key"], condition=~Q(key=""), name="one_order_a_person_and_key")
        ]
        verbose_name = _("order")
        verbose_name_plural = _("orders")

    def __str__(self) -> str:
        return str(self.pk)


class Command(models.Model):
    """One effort to bring a meter to its wanted state, with a deadline, in several attempts, proven in grades.

    Written only by meters/commands. `claimed_at` is set before anything is published: what is claimed and not sent is
    of unknown fate. `failure` tells of the last attempt, also while the next one waits.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("waiting")
        SENT = "sent", _("sent")
        ACKNOWLEDGED = "acknowledged", _("acknowledged")
        CONFIRMED = "confirmed", _("confirmed")
        FAILED = "failed", _("failed")
        EXPIRED = "expired", _("time ran out")
        SUPERSEDED = "superseded", _("overtaken")
        CANCELLED = "cancelled", _("cancelled")

    class Failure(models.TextChoices):
        """What is known of an attempt that did not succeed."""

        NONE = "", ""
        UNANSWERED = "unanswered", _("nothing was heard of it")
        NO_ANSWER = "no_answer", _("the meter did not answer")
        UNREACHABLE = "unreachable", _("the meter could not be reached by radio")
        NOT_MOVED = "not_moved", _("the meter answered, but its relay did not move")
        UNREAD = "unread", _("the meter took it, but does not tell its position")
        UNKNOWN_DEVICE = "unknown_device", _("this area's Zigbee2MQTT does not know the meter")
        REFUSED = "refused", _("Zigbee2MQTT refused it")
        LOAD = "load", _("the relay says off, but current still flows")
        MOVED = "moved", _("the meter is heard in another area now")

    class Load(models.TextChoices):
        """After an OFF: whether current still flows."""

        NOT_ASKED = "", _("not asked")
        NONE = "none", _("no load")
        FLOWING = "flowing", _("current still flows")
        UNKNOWN = "unknown", _("not told")

    OPEN = (Status.QUEUED, Status.SENT, Status.ACKNOWLEDGED)

    meter = models.ForeignKey(Meter, models.CASCADE, related_name="commands", verbose_name=_("meter"))
    want = models.ForeignKey(Want, models.CASCADE, related_name="commands", verbose_name=_("want"))
    order = models.ForeignKey(Order, models.SET_NULL, null=True, related_name="commands", verbose_name=_("order"))
    state = models.BooleanField(_("to on"))
    automatic = models.BooleanField(_("automatic"), default=False)
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.QUEUED)
    area = models.ForeignKey(
        Area, models.SET_NULL, null=True, related_name="+", verbose_name=_("area"), help_text=_("Where it was sent.")
    )
    by_name = models.BooleanField(default=False, help_text=_("This Zigbee2MQTT knows the meter only by its name."))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    failure = models.CharField(_("what went wrong"), max_length=16, choices=Failure.choices, blank=True, default="")
    detail = models.CharField(_("in Zigbee2MQTT's words"), max_length=300, blank=True, default="")
    created_at = models.DateTimeField(_("made"))
    expires_at = models.DateTimeField(_("deadline"))
    not_before = models.DateTimeField(_("next attempt"), null=True)
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(_("sent"), null=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True)
    asked_at = models.DateTimeField(_("position asked"), null=True)
    read_state = models.BooleanField(null=True, help_text=_("The last position told since it was asked for."))
    confirmed_at = models.DateTimeField(_("confirmed"), null=True)
    load = models.CharField(_("load"), max_length=8, choices=Load.choices, blank=True, default="")
    load_asked_at = models.DateTimeField(null=True)
    load_at = models.DateTimeField(_("load known"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["meter"],
                condition=Q(status__in=["queued", "sent", "acknowledged"]),
                name="one_open_command_a_meter",
            )
        ]
        indexes = [
            models.Index(fields=["meter", "-id"], name="commands_of_a_meter"),
            models.Index(fields=["finished_at"], name="commands_by_end"),
            models.Index(
                fields=["confirmed_at"],
                condition=Q(status="confirmed", state=False, load=""),
                name="offs_without_a_load",
            ),
        ]
        verbose_name = _("command")
        verbose_name_plural = _("commands")

    def __str__(self) -> str:
        return f"{self.meter}: {'on' if self.state else 'off'}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def proofs(self) -> list[tuple[str | Promise, datetime]]:
        """What is known to have happened, with the time of each."""
        steps: list[tuple[str | Promise, datetime | None]] = [
            (_("sent"), self.sent_at),
            (_("acknowledged"), self.acknowledged_at),
            (_("confirmed"), self.confirmed_at),
            (self.get_load_display(), self.load_at),
        ]
        return [(word, at) for word, at in steps if at is not None]


class AutomaticStop(models.Model):
    """A time in which nothing is switched automatically, anywhere; the open one is in force.

    Written only by meters/commands. `by` is empty where the software stopped itself.
    """

    class Cause(models.TextChoices):
        PERSON = "person", _("pressed by a person")
        LIMIT = "limit", _("too many automatic switch-offs in an hour")

    since = models.DateTimeField(_("since"))
    cause = models.CharField(_("cause"), max_length=10, choices=Cause.choices, default=Cause.PERSON)
    reason = models.CharField(_("reason"), max_length=250, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("by"))
    allowed = models.PositiveIntegerField(
        default=0, help_text=_("So many switch-offs were waiting when a person let them go on.")
    )
    ended_at = models.DateTimeField(_("ended"), null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("ended by")
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["ended_at"], condition=Q(ended_at=None), nulls_distinct=False, name="one_stop_at_a_time"
            )
        ]
        permissions = [("resume_automatic", "Can let the software switch by itself again")]
        verbose_name = _("stop of everything automatic")
        verbose_name_plural = _("stops of everything automatic")

    def __str__(self) -> str:
        return f"{timezone.localtime(self.since):%Y-%m-%d %H:%M}"

    @property
    def whose(self) -> str:
        """Who pressed it, else what did; empty where no person is known and the reason says it, as after a restore."""
        if self.by is None and self.cause == self.Cause.PERSON and self.reason:
            return ""
        return str(self.by or self.get_cause_display())


class BridgeRequest(models.Model):
    """One request to a Zigbee2MQTT (`bridge/request/…`) and its answer. Written only by meters/requests.py."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("waiting")
        SENT = "sent", _("sent")
        DONE = "done", _("done")
        REFUSED = "refused", _("refused")
        TIMED_OUT = "timed_out", _("no answer")

    area = models.ForeignKey(Area, models.CASCADE, related_name="requests", verbose_name=_("area"))
    request = models.CharField(_("request"), max_length=60)
    payload = models.JSONField(_("asked"), default=dict)
    transaction = models.CharField(_("transaction"), max_length=32, unique=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("by"))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.QUEUED)
    timeout_s = models.PositiveSmallIntegerField(_("waits in s"), default=30)
    created_at = models.DateTimeField(_("made"))
    sent_at = models.DateTimeField(_("sent"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    response: models.JSONField[Any, Any] = models.JSONField(_("answer"), null=True)
    error = models.CharField(_("error"), max_length=500, blank=True, default="")

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["status"], name="requests_by_status")]
        verbose_name = _("request to Zigbee2MQTT")
        verbose_name_plural = _("requests to Zigbee2MQTT")

    def __str__(self) -> str:
        return f"{self.area}: {self.request}"
