"""Stays in the API under /api/v1/: who is on which pitch, with which meters, and what was used. Read only."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Prefetch, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.routers import SimpleRouter

from bookings import ledger
from bookings.admin.guests import SEE
from bookings.ledger import Used
from bookings.models import Stay, StayMeter
from meters.api.base import MISSING, REFUSED, Permitted, ReadOnly
from meters.api.errors import ErrorSerializer
from meters.api.serializers import time
from meters.models import Pitch

NOT_SEEN = {403: OpenApiResponse(ErrorSerializer, description="Only for staff who may see stays.")}


class MaySeeStays(Permitted):
    needs = "bookings.view_stay"
    message = "This needs the permission to see stays."


class StayMeterSerializer(serializers.ModelSerializer[StayMeter]):
    """A meter that serves the stay now."""

    ieee_address = serializers.CharField(source="meter.device.ieee_address", read_only=True)
    name = serializers.CharField(source="meter.device.friendly_name", read_only=True)
    since = time("period.lower", "Since when it serves this stay.")

    class Meta:
        model = StayMeter
        fields = ["ieee_address", "name", "since"]


class StaySerializer(serializers.ModelSerializer[Stay]):
    """One party of a booking on one pitch."""

    booking = serializers.IntegerField(source="booking.sirvoy_id", read_only=True, help_text="Sirvoy's number.")
    pitch = serializers.CharField(
        source="pitch.number", allow_null=True, default=None, read_only=True, help_text="Null: not known yet."
    )
    guest = serializers.SerializerMethodField(
        help_text="The guest's name; may be empty. Null for whoever may not see guests."
    )
    began_at = time(help_text="When the party came. Null: it has not.")
    ended_at = time(help_text="When it left. Null: it has not.")
    meters = StayMeterSerializer(source="present", many=True, read_only=True)
    used_kwh = serializers.SerializerMethodField(help_text="What it used in kWh, corrections included, by the ledger.")
    used_as_of = serializers.SerializerMethodField(help_text="Up to when that is known. Null: it had no meter.")
    is_estimated = serializers.SerializerMethodField(help_text="Whether a value at its beginning or end was not read.")

    class Meta:
        model = Stay
        fields = [
            *("id", "booking", "guest", "pitch", "status", "arrival", "departure", "began_at", "ended_at"),
            *("meters", "used_kwh", "used_as_of", "is_estimated"),
        ]

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_guest(self, stay: Stay) -> str | None:
        if not self.context["request"].user.has_perm(SEE):
            return None
        guest = getattr(stay.booking, "guest", None)
        return str(guest) if guest else ""

    @extend_schema_field(serializers.DecimalField(12, 3))
    def get_used_kwh(self, stay: Stay) -> Any:
        return _used(stay).kwh

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_used_as_of(self, stay: Stay) -> Any:
        return _used(stay).as_of

    def get_is_estimated(self, stay: Stay) -> bool:
        return _used(stay).is_estimated


class WholeNumberFilter(filters.NumberFilter):
    field_class = forms.IntegerField


class StayFilter(filters.FilterSet):
    pitch = filters.ModelChoiceFilter(
        to_field_name="number",
        queryset=Pitch.objects.all(),
        help_text="The number of the pitch.",
        error_messages={"invalid_choice": "There is no such pitch."},
    )
    booking = WholeNumberFilter(
        field_name="booking__sirvoy_id", min_value=0, max_value=2**63 - 1, help_text="Sirvoy's number."
    )
    status = filters.ChoiceFilter(choices=Stay.Status.choices)
    arrival_from = filters.DateFilter(field_name="arrival", lookup_expr="gte", help_text="Arrives that day or later.")
    arrival_to = filters.DateFilter(field_name="arrival", lookup_expr="lte", help_text="Arrives that day or before.")
    departure_from = filters.DateFilter(field_name="departure", lookup_expr="gte", help_text="Leaves then or later.")
    departure_to = filters.DateFilter(field_name="departure", lookup_expr="lte", help_text="Leaves then or before.")
    ordering = filters.OrderingFilter(fields=["arrival", "departure", "id"])

    class Meta:
        model = Stay
        fields: list[str] = []


@extend_schema_view(
    list=extend_schema(summary="All stays", responses={200: StaySerializer(many=True)} | REFUSED | NOT_SEEN),
    retrieve=extend_schema(summary="One stay", responses={200: StaySerializer} | MISSING | NOT_SEEN),
)
class StayViewSet(ReadOnly[Stay]):
    """Stays: each is one party of a booking on one pitch, with the meters that serve it now and what it used."""

    serializer_class = StaySerializer
    filterset_class = StayFilter
    permission_classes = (MaySeeStays,)
    lookup_value_converter = "int"
    queryset = Stay.objects.all()

    def get_queryset(self) -> QuerySet[Stay]:
        lines = StayMeter.objects.filter(period__upper_inf=True).select_related("meter__device")
        found = Stay.objects.select_related("booking__guest", "pitch")
        return found.prefetch_related(Prefetch("lines", lines, to_attr="present"))

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset) or []
        used = ledger.used_by_stay(page)
        for stay in page:
            stay.used = used[stay.pk]
        return page

    def get_object(self) -> Stay:
        stay = super().get_object()
        stay.used = ledger.used_kwh([stay])  # type: ignore[attr-defined]
        return stay


def _used(stay: Stay) -> Used:
    return stay.used  # type: ignore[attr-defined]


router = SimpleRouter(use_regex_path=False)
router.register("stays", StayViewSet)
