"""Stays, the ledger of the meters that serve them, and the rules of power."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from bookings.models.bookings import Booking, Room
from meters.models import Meter, Pitch, Snapshot


class Stay(models.Model):
    """One party of a booking on one pitch, from its arrival to its departure. Written only by bookings/stays.

    It keeps its identity when the party moves to another pitch; what it used on each is in the ledger. What Sirvoy
    booked (`room`, `booked_pitch`) and where the party is (`pitch`) are apart, so that a hand move is not undone by an
    event that did not change the room.
    """

    class Status(models.TextChoices):
        EXPECTED = "expected", _("expected")
        IN_HOUSE = "in_house", _("here")
        LEFT = "left", _("left")
        CANCELLED = "cancelled", _("cancelled")

    PRESENT = (Status.EXPECTED, Status.IN_HOUSE)
    """Who is here, or may still come."""

    class Unclear(models.TextChoices):
        """Why it is on the list of what staff must sort out."""

        NONE = "", ""
        NO_ROOM = "no_room", _("Sirvoy has not said which pitch")
        UNKNOWN_ROOM = "unknown_room", _("this room of Sirvoy is no pitch that we know")
        DATES = "dates", _("its dates make no sense")
        TAKEN = "taken", _("another guest who has not left has this pitch, or its meter")

    booking = models.ForeignKey(Booking, models.PROTECT, related_name="stays", verbose_name=_("booking"))
    position = models.PositiveSmallIntegerField(
        _("position"), help_text="Which of the booking's rooms it is; empty: none any more.", null=True
    )
    room = models.ForeignKey(Room, models.SET_NULL, null=True, related_name="stays", verbose_name=_("room in Sirvoy"))
    booked_pitch = models.ForeignKey(
        Pitch, models.PROTECT, null=True, related_name="+", verbose_name=_("pitch in Sirvoy")
    )
    pitch = models.ForeignKey(Pitch, models.PROTECT, null=True, related_name="stays", verbose_name=_("pitch"))
    arrival = models.DateField(_("arrival"), null=True)
    departure = models.DateField(_("departure"), null=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.EXPECTED)
    unclear = models.CharField(_("to be sorted out"), max_length=12, choices=Unclear.choices, blank=True, default="")
    began_at = models.DateTimeField(_("came"), null=True)
    noted_at = models.DateTimeField(null=True, editable=False, help_text="When it became known that they came.")
    ended_at = models.DateTimeField(_("left"), null=True)
    late_until = models.DateTimeField(_("may stay until"), null=True, help_text=_("A late check-out, said by staff."))
    moved_by_hand_at = models.DateTimeField(_("moved by staff"), null=True)
    left_by_hand_at = models.DateTimeField(_("checked out by staff"), null=True)
    is_season = models.BooleanField(_("season guest"), default=False)

    class Meta:
        ordering = ["arrival", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["booking", "position"], name="one_stay_a_room_of_a_booking"),
        ]
        indexes = [
            models.Index(fields=["status", "departure"], name="stay_by_status"),
            models.Index(fields=["pitch", "status"], name="stay_by_pitch"),
        ]
        verbose_name = _("stay")
        verbose_name_plural = _("stays")

    def __str__(self) -> str:
        return f"{self.booking_id} {self.pitch or '?'}"


class StayMeter(models.Model):
    """A line of the ledger: this meter served this stay from one energy value to another. Written only by
    bookings/ledger.

    No two lines of a meter overlap; where one guest follows another at once, both lines share the snapshot. `start` and
    `end` tell the energy and how sure it is; an open line has no end.
    """

    class Reason(models.TextChoices):
        """Why a line began, or ended."""

        CHECK_IN = "check_in", _("check-in")
        MOVE = "move", _("move")
        CHOSEN = "chosen", _("outlet chosen")
        EXCHANGE = "exchange", _("meter exchanged")
        INSTALLED = "installed", _("meter put up")
        REOPENED = "reopened", _("check-out taken back")
        CHECK_OUT = "check_out", _("check-out")
        TAKEN_AWAY = "taken_away", _("outlet taken away")
        CANCELLED = "cancelled", _("cancellation")
        CHECK_IN_UNDONE = "undone", _("check-in taken back")
        REMOVED = "removed", _("meter taken down")
        NEXT_GUEST = "next_guest", _("the next guest came")

    stay = models.ForeignKey(Stay, models.PROTECT, related_name="lines", verbose_name=_("stay"))
    meter = models.ForeignKey(Meter, models.PROTECT, related_name="+", verbose_name=_("meter"))
    pitch = models.ForeignKey(
        Pitch,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("pitch"),
        help_text=_("Whose fixed meter it was; empty: an extra meter, or an outlet that was chosen."),
    )
    booked_pitch = models.ForeignKey(
        Pitch,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("pitch in Sirvoy"),
        help_text=_("Its kind tells the price of these kWh; empty: none was known when the line began."),
    )
    period = DateTimeRangeField(_("period"))
    start = models.ForeignKey(Snapshot, models.PROTECT, related_name="+", verbose_name=_("start"))
    end = models.ForeignKey(Snapshot, models.PROTECT, null=True, related_name="+", verbose_name=_("end"))
    begun_by = models.CharField(_("began with"), max_length=10, choices=Reason.choices)
    ended_by = models.CharField(_("ended with"), max_length=10, choices=Reason.choices, blank=True, default="")

    class Meta:
        ordering = ["pk"]
        constraints = [
            ExclusionConstraint(
                name="a_meter_serves_one_stay",
                expressions=[("meter", RangeOperators.EQUAL), ("period", RangeOperators.OVERLAPS)],
            ),
            models.CheckConstraint(
                condition=Q(end=None, period__upper_inf=True) | Q(end__isnull=False, period__upper_inf=False),
                name="a_line_ends_with_a_value",
            ),
        ]
        indexes = [models.Index(fields=["stay"], name="line_by_stay")]
        verbose_name = _("line of the ledger")
        verbose_name_plural = _("ledger")

    def __str__(self) -> str:
        return f"{self.stay_id} {self.meter_id}"


class Correction(models.Model):
    """kWh added to (or, negative, taken off) what a stay used, by a person with a reason. Never edited, never deleted.

    Written only by bookings/ledger.
    """

    stay = models.ForeignKey(Stay, models.PROTECT, related_name="corrections", verbose_name=_("stay"))
    energy_kwh = models.DecimalField(_("kWh"), max_digits=9, decimal_places=3)
    reason = models.CharField(_("reason"), max_length=250)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by"))
    at = models.DateTimeField(_("when"), auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="a_correction_has_a_reason")]
        verbose_name = _("correction")
        verbose_name_plural = _("corrections")

    def __str__(self) -> str:
        return f"{self.stay_id} {self.energy_kwh}"


class PowerRule(models.Model):
    """How the power of a kind of pitch follows its bookings. Edited in the admin's forms; each kind's row is made, and
    so written only by bookings/power/rules.py.
    """

    class Vacant(models.TextChoices):
        OFF = "off", _("switched off")
        UNMANAGED = "unmanaged", _("left as it is")

    kind = models.CharField(_("kind of pitch"), max_length=10, choices=Pitch.Kind.choices, unique=True)
    follows_bookings = models.BooleanField(
        _("power follows bookings"), default=True, help_text=_("Off for places that no booking switches.")
    )
    when_vacant = models.CharField(
        _("without a guest"), max_length=10, choices=Vacant.choices, default=Vacant.UNMANAGED
    )
    grace_min = models.PositiveSmallIntegerField(
        _("stays on after check-out, minutes"), default=15, help_text=_("Time to pack up after check-out.")
    )
    overdue_h = models.PositiveSmallIntegerField(
        _("stays on without check-out, hours"),
        default=24,
        help_text=_("Counted from check-out time on the day of departure, for guests whom nobody has checked out."),
    )
    cleaning_from = models.TimeField(_("cleaning from"), null=True, blank=True)
    cleaning_until = models.TimeField(_("cleaning until"), null=True, blank=True)

    class Meta:
        ordering = ["kind"]
        constraints = [
            models.CheckConstraint(
                condition=Q(cleaning_from=None, cleaning_until=None) | Q(cleaning_from__lt=F("cleaning_until")),
                name="cleaning_has_a_beginning_and_an_end",
            )
        ]
        verbose_name = _("power rule")
        verbose_name_plural = _("power rules")

    def __str__(self) -> str:
        return str(self.get_kind_display())


class PortalLink(models.Model):
    """A guest's way to the page of a stay; only its token's SHA-256 is stored. Written only by bookings/links.py."""

    stay = models.ForeignKey(Stay, models.CASCADE, related_name="links", verbose_name=_("stay"))
    digest = models.CharField(max_length=64, unique=True, editable=False)
    made_at = models.DateTimeField(_("made"), auto_now_add=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("made by")
    )
    revoked_at = models.DateTimeField(_("revoked"), null=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("guest's link")
        verbose_name_plural = _("guests' links")

    def __str__(self) -> str:
        return str(self.pk)


class LinkMail(models.Model):
    """That a guest is to get his link by e-mail, once a stay, and what became of it. Written only by
    bookings/welcome.py.
    """

    stay = models.OneToOneField(Stay, models.CASCADE, related_name="link_mail", verbose_name=_("stay"))
    made_at = models.DateTimeField(_("made"))
    sent_at = models.DateTimeField(_("sent"), null=True)
    tried_at = models.DateTimeField(_("tried"), null=True)
    error = models.CharField(_("why no mail was sent"), max_length=200, blank=True, default="")

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("mail with a guest's link")
        verbose_name_plural = _("mails with guests' links")

    def __str__(self) -> str:
        return str(self.stay_id)
