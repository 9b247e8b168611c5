"""What Sirvoy sends: who may send it, and every event as it came."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class WebhookToken(models.Model):
    """A secret part of the address that Sirvoy calls; only its SHA-256 is stored. Written only by bookings/tokens.py.

    Two may be valid at once, so that one can be exchanged without a gap. Its times tell whether Sirvoy still calls.
    """

    name = models.CharField(_("name"), max_length=60, help_text=_("Where it is used, for example: Sirvoy, from May."))
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("made by")
    )
    revoked_at = models.DateTimeField(_("revoked"), null=True)
    last_event_at = models.DateTimeField(_("last event"), null=True)
    last_get_at = models.DateTimeField(_("last check by Sirvoy"), null=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("webhook address")
        verbose_name_plural = _("webhook addresses")

    def __str__(self) -> str:
        return self.name


class WebhookEvent(models.Model):
    """One call of Sirvoy, verbatim: the body's bytes as they came. Written only by bookings/inbox.py.

    It holds what a guest told of himself, and is erased with the guest: then the body is empty and `erased_at` set.
    """

    class Status(models.TextChoices):
        RECEIVED = "received", _("received, not yet worked on")
        APPLIED = "applied", _("applied")
        STALE = "stale", _("older than what is known; changed nothing")
        DUPLICATE = "duplicate", _("came before; changed nothing")
        FAILED = "failed", _("could not be worked on")

    class Origin(models.TextChoices):
        WEBHOOK = "webhook", _("Sirvoy")
        IMPORT = "import", _("import of a file")

    token = models.ForeignKey(
        WebhookToken, models.SET_NULL, null=True, related_name="events", verbose_name=_("webhook address")
    )
    origin = models.CharField(_("from"), max_length=10, choices=Origin.choices, default=Origin.WEBHOOK)
    received_at = models.DateTimeField(_("received"))
    body = models.BinaryField()
    size = models.PositiveIntegerField(_("size in bytes"), help_text=_("Of the whole body, also where it was cut."))
    is_truncated = models.BooleanField(_("cut off"), default=False)
    digest = models.CharField(max_length=64, editable=False, help_text="SHA-256 of the body.")
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.RECEIVED)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    try_again_at = models.DateTimeField(_("tried again"), null=True)
    processed_at = models.DateTimeField(_("worked on"), null=True)
    generated_at = models.DateTimeField(_("made by Sirvoy"), null=True)
    sirvoy_id = models.BigIntegerField(_("booking"), null=True)
    complaints = models.JSONField(
        _("what could not be read"), default=list, help_text=_("Fields that were left out because they made no sense.")
    )
    erased_at = models.DateTimeField(_("erased"), null=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["sirvoy_id", "generated_at"], name="event_by_booking"),
            models.Index(fields=["received_at"], name="event_by_time"),
            models.Index(
                fields=["try_again_at"], condition=Q(status__in=["received", "failed"]), name="event_unfinished"
            ),
        ]
        verbose_name = _("event from Sirvoy")
        verbose_name_plural = _("events from Sirvoy")

    def __str__(self) -> str:
        return f"{self.pk}"
