"""The resources of the API. They read; nothing is changed here."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.conf import settings
from django.db.models import Model, Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone, translation
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from meters import online, overview, usage
from meters.api import parameters
from meters.api.errors import ErrorSerializer
from meters.api.filters import AreaFilter, MeterFilter, PitchFilter
from meters.api.pagination import Pages
from meters.api.serializers import AreaSerializer, MeterSerializer, PitchSerializer, UsageSerializer
from meters.models import Area, Meter, Pitch

REFUSED = {
    400: OpenApiResponse(ErrorSerializer, description="A parameter is unknown or wrong; `fields` says which."),
    401: OpenApiResponse(ErrorSerializer, description="No token, or a wrong one."),
    403: OpenApiResponse(ErrorSerializer, description="Only for staff."),
}
MISSING = REFUSED | {404: OpenApiResponse(ErrorSerializer, description="There is none of this name.")}


Anything = TypeVar("Anything", bound=Model)


class English:
    """Machines read the messages: they are English, whatever the browser prefers."""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        with translation.override("en"):
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]


class ReadOnly(English, viewsets.ReadOnlyModelViewSet[Anything]):
    """What the resources share: pages, filters, and that an unknown or repeated parameter is an error, not ignored."""

    pagination_class: type[BasePagination] | None = Pages
    filterset_class: Any = None
    own_parameters: ClassVar[dict[str, set[str]]] = {}
    """By action: the parameters it knows beside the list's filters."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if any("\x00" in part for part in kwargs.values()):  # PostgreSQL's texts cannot hold it
            raise NotFound
        known, wrong = self.known_parameters(), {}
        for name, values in sorted(request.query_params.lists()):
            if name not in known:
                wrong[name] = ["There is no such parameter."]
            elif len(values) > 1:
                wrong[name] = ["Given more than once."]
        if wrong:
            raise ValidationError(wrong)

    def known_parameters(self) -> set[str]:
        if self.action == "list":
            return {"limit", "offset", *self.filterset_class.base_filters}
        return self.own_parameters.get(self.action, set())


@extend_schema_view(
    list=extend_schema(summary="All areas", responses={200: AreaSerializer(many=True)} | REFUSED),
    retrieve=extend_schema(summary="One area", responses={200: AreaSerializer} | MISSING),
)
class AreaViewSet(ReadOnly[Area]):
    """Areas: each is one Zigbee2MQTT with its meters."""

    serializer_class = AreaSerializer
    filterset_class = AreaFilter
    lookup_field = "slug"
    queryset = Area.objects.select_related("state")

    def get_serializer_context(self) -> dict[str, Any]:
        if getattr(self, "swagger_fake_view", False):
            return {}
        return {**super().get_serializer_context(), "counts": overview.count_by_area(timezone.now())}


@extend_schema_view(
    list=extend_schema(summary="All pitches", responses={200: PitchSerializer(many=True)} | REFUSED),
    retrieve=extend_schema(summary="One pitch", responses={200: PitchSerializer} | MISSING),
)
class PitchViewSet(ReadOnly[Pitch]):
    """Pitches, with the meters that serve each now."""

    serializer_class = PitchSerializer
    filterset_class = PitchFilter
    lookup_field = "number"
    lookup_value_converter = "path"  # the booking system's names may hold a slash
    queryset = Pitch.objects.all()

    def get_queryset(self) -> QuerySet[Pitch]:
        present = Prefetch("installations", overview.installed(timezone.now()), to_attr="present")
        return super().get_queryset().prefetch_related(present)


@extend_schema_view(
    list=extend_schema(summary="All meters", responses={200: MeterSerializer(many=True)} | REFUSED),
    retrieve=extend_schema(summary="One meter", responses={200: MeterSerializer} | MISSING),
)
class MeterViewSet(ReadOnly[Meter]):
    """Meters, with the latest known values; removed ones are kept and have `removed_at`."""

    serializer_class = MeterSerializer
    filterset_class = MeterFilter
    lookup_field = "device__ieee_address"
    lookup_url_kwarg = "ieee"
    queryset = Meter.objects.all()
    own_parameters: ClassVar[dict[str, set[str]]] = {"usage": {"from", "to", "per"}}

    def get_queryset(self) -> QuerySet[Meter]:
        return overview.meters(timezone.now())

    def get_object(self) -> Meter:
        return get_object_or_404(self.get_queryset(), device__ieee_address=self.kwargs["ieee"].lower())

    def get_serializer_context(self) -> dict[str, Any]:
        if getattr(self, "swagger_fake_view", False):
            return {}
        now = timezone.now()
        return {**super().get_serializer_context(), "now": now, "link": online.link(now)}

    @extend_schema(
        summary="What a meter used",
        parameters=[
            OpenApiParameter("from", OpenApiTypes.DATETIME, description="From when, with time zone. Rounded down."),
            OpenApiParameter("to", OpenApiTypes.DATETIME, description="Until when, with time zone; now if not given."),
            OpenApiParameter(
                "per",
                enum=["hour", "day"],
                default="hour",
                description="By hour (at most 62 days, the last 24 hours if not given) or by day of the campsite's "
                "clock (at most 400 days, the last 30 if not given).",
            ),
        ],
        responses={200: UsageSerializer} | MISSING,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def usage(self, request: Request, ieee: str) -> Response:
        """Energy in kWh by hour or by day. What nothing is known of is null, not 0."""
        asked = parameters.span(request, timezone.now())
        meter = get_object_or_404(Meter.objects.select_related("device"), device__ieee_address=ieee.lower())
        by = usage.by_day if asked.per == "day" else usage.by_hour
        rows = by(meter.pk, asked.start, asked.end)
        energy_kwh, estimated_kwh = usage.total(rows)
        told = {
            "ieee_address": meter.device.ieee_address,
            "per": asked.per,
            "time_zone": settings.TIME_ZONE,
            "start": rows[0].start,
            "end": rows[-1].end,
            "energy_kwh": energy_kwh,
            "estimated_kwh": estimated_kwh,
            "rows": rows,
        }
        return Response(UsageSerializer(told).data)


@extend_schema(exclude=True)
class NothingHere(English, APIView):
    """What leads nowhere below /api/v1/ is answered in the API's own shape."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise NotFound
