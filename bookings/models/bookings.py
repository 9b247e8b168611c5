"""Bookings as Sirvoy tells them: its rooms, its bookings, and apart from both the persons."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from meters.models import Pitch


class Room(models.Model):
    """A room of Sirvoy, and the pitch that it is. Written only by bookings/rooms.py.

    Found by its name, which people edit, and by its id, which stays. Without a pitch it is work for staff.
    """

    sirvoy_id = models.BigIntegerField(_("number in Sirvoy"), null=True, unique=True)
    name = models.CharField(_("name in Sirvoy"), max_length=100)
    other_names = ArrayField(
        models.CharField(max_length=100), default=list, editable=False, help_text="All that older events called it."
    )
    pitch = models.ForeignKey(
        Pitch, models.SET_NULL, null=True, blank=True, related_name="rooms", verbose_name=_("pitch")
    )
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("said by"),
        help_text=_("Who said so; empty: it is the pitch of that name."),
    )
    is_set_by_staff = models.BooleanField(_("said by staff"), default=False)
    named_at = models.DateTimeField(_("so named as of"), help_text="Of the newest event that named it.")
    matched_at = models.DateTimeField(
        null=True, editable=False, help_text="Of the newest event whose name for it was that of a pitch."
    )
    first_seen_at = models.DateTimeField(_("first seen"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        indexes = [models.Index(fields=["name"], name="room_by_name")]
        verbose_name = _("room in Sirvoy")
        verbose_name_plural = _("rooms in Sirvoy")

    def __str__(self) -> str:
        return self.name or f"#{self.sirvoy_id}"


class Booking(models.Model):
    """Sirvoy's truth about a booking as of its newest event, without any person. Written only by bookings/sync.py."""

    sirvoy_id = models.BigIntegerField(_("booking number"), unique=True)
    generated_at = models.DateTimeField(_("as of"))
    event = models.ForeignKey("WebhookEvent", models.SET_NULL, null=True, related_name="+", verbose_name=_("event"))
    event_number = models.BigIntegerField(
        editable=False, help_text="The event's id: of two with the same time the later received rules."
    )
    arrival = models.DateField(_("arrival"), null=True)
    departure = models.DateField(_("departure"), null=True)
    is_cancelled = models.BooleanField(_("cancelled"), default=False)
    is_confirmed = models.BooleanField(_("confirmed"), default=False)
    is_checked_in = models.BooleanField(_("checked in"), default=False)
    is_checked_out = models.BooleanField(_("checked out"), default=False)
    adults = models.PositiveIntegerField(_("adults"), null=True)
    channel = models.CharField(_("booked through"), max_length=100, blank=True)
    rooms = models.JSONField(
        _("rooms"), default=list, help_text="[{room_id, name, arrival, departure, adults}], in Sirvoy's order."
    )
    kept = models.JSONField(
        default=dict,
        editable=False,
        help_text="{field: [when, event]}: what the newest event did not tell, and which newest one did.",
    )
    items = models.JSONField(
        _("extras"), default=list, help_text="[{description, date, quantity, price, total, kwh}]; kwh null: no package."
    )

    class Meta:
        ordering = ["-arrival", "-sirvoy_id"]
        indexes = [
            models.Index(fields=["arrival"], name="booking_by_arrival"),
            models.Index(fields=["departure"], name="booking_by_departure"),
        ]
        verbose_name = _("booking")
        verbose_name_plural = _("bookings")

    def __str__(self) -> str:
        return str(self.sirvoy_id)


class Guest(models.Model):
    """All that is personal of a booking, in one row that can be erased alone. Written only by bookings/guests.py.

    `spoken` is what staff said of the language; it rules over Sirvoy's. Passports are never kept.
    """

    booking = models.OneToOneField(
        Booking, models.CASCADE, primary_key=True, related_name="guest", verbose_name=_("booking")
    )
    first_name = models.CharField(_("first name"), max_length=150, blank=True)
    last_name = models.CharField(_("last name"), max_length=150, blank=True)
    business_name = models.CharField(_("company"), max_length=150, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)
    phone = models.CharField(_("phone"), max_length=60, blank=True)
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    language = models.CharField(_("language in Sirvoy"), max_length=10, blank=True)
    spoken = models.CharField(_("language"), max_length=2, blank=True, choices=settings.LANGUAGES)
    plates = models.CharField(_("number plates"), max_length=100, blank=True)
    message = models.TextField(_("message"), blank=True)
    room_guests = models.JSONField(
        _("guests by room"), default=list, help_text="[{name, comment}], in the order of the booking's rooms."
    )
    erased_at = models.DateTimeField(_("erased"), null=True)

    class Meta:
        verbose_name = _("guest")
        verbose_name_plural = _("guests")

    def __str__(self) -> str:
        return " ".join(filter(None, (self.first_name, self.last_name))) or self.business_name
