"""The resources of the API: areas, pitches, meters. Commands are in commands.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.db.models import Max, Prefetch, QuerySet, prefetch_related_objects
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from drf_spectacular.views import SpectacularAPIView
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from meters import commands, online, overview, usage
from meters.api import bodies, parameters
from meters.api.base import MISSING, NOT_SWITCHED, REFUSED, English, MaySwitch, ReadOnly
from meters.api.commands import POWER, CommandSerializer, serving
from meters.api.errors import ErrorSerializer
from meters.api.filters import AreaFilter, MeterFilter, PitchFilter
from meters.api.serializers import AreaSerializer, MeterSerializer, PitchSerializer, UsageSerializer
from meters.models import Area, Meter, Pitch, Source


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
        now = timezone.now()
        link = online.link(now)
        return {**super().get_serializer_context(), "link": link, "counts": overview.count_by_area(now, link)}


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

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        _add_wants(page or [])
        return page

    def get_object(self) -> Meter:
        meter = get_object_or_404(self.get_queryset(), device__ieee_address=self.kwargs["ieee"].lower())
        _add_wants([meter])
        return meter

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
        meter = _meter(ieee)
        by = usage.by_day if asked.per == "day" else usage.by_hour
        rows = by([meter.pk], asked.start, asked.end)
        energy_kwh, estimated_kwh = usage.total(rows)
        told = {
            "ieee_address": meter.device.ieee_address,
            "per": asked.per,
            "time_zone": settings.TIME_ZONE,
            "start": rows[0].start,
            "end": rows[-1].end,
            "known_until": meter.known_until,  # type: ignore[attr-defined]
            "energy_kwh": energy_kwh,
            "estimated_kwh": estimated_kwh,
            "rows": rows,
        }
        return Response(UsageSerializer(told).data)

    @extend_schema(**POWER)
    @action(detail=True, methods=["post"], permission_classes=[MaySwitch])
    def power(self, request: Request, ieee: str) -> Response:
        asked, key, meter = bodies.PowerBody.of(request), bodies.key(request), _meter(ieee)
        order = commands.order(
            [meter], asked["state"] == "on", asked["reason"], by=request.user, until=asked["until"], key=key
        )
        command = serving(order, meter)
        return Response(
            CommandSerializer(command).data,
            status=status.HTTP_202_ACCEPTED,
            headers={"Location": reverse("api:command-detail", args=[command.pk])},
        )

    @extend_schema(
        summary="Let go of a meter", request=bodies.ReleaseBody, responses={200: MeterSerializer} | NOT_SWITCHED
    )
    @action(detail=True, methods=["post"], permission_classes=[MaySwitch])
    def release(self, request: Request, ieee: str) -> Response:
        """Staff want nothing of this meter any more: what a guest, the cleaning or the booking wants is in force again.

        Where nobody wants anything the relay stays as it is, and is not managed. A command of staff's that is not under
        way is cancelled. Where staff wanted nothing, nothing changes.
        """
        asked = bodies.ReleaseBody.of(request)
        commands.end(_meter(ieee), Source.STAFF, by=request.user, reason=asked["reason"])
        return Response(self.get_serializer(self.get_object()).data)


def _meter(ieee: str) -> Meter:
    found = Meter.objects.select_related("device").annotate(known_until=Max("epochs__last_at"))
    return get_object_or_404(found, device__ieee_address=ieee.lower())


def _add_wants(meters: Sequence[Meter]) -> None:
    """Give each of these meters a `want`: what is wanted of it now, with its user, or None."""
    wants = commands.in_force([meter.pk for meter in meters], timezone.now())
    prefetch_related_objects(list(wants.values()), "by")
    for meter in meters:
        meter.want = wants.get(meter.pk)  # type: ignore[attr-defined]


@extend_schema_view(
    get=extend_schema(
        summary="This description",
        responses={200: OpenApiTypes.OBJECT}
        | {code: told for code, told in REFUSED.items() if code != status.HTTP_400_BAD_REQUEST}
        | {
            404: OpenApiResponse(ErrorSerializer, description="There is no such `format`."),
            406: OpenApiResponse(ErrorSerializer, description="The header `Accept` names no form that there is."),
        },
    )
)
class Schema(English, SpectacularAPIView):
    """The description of this API in OpenAPI 3."""


@extend_schema(exclude=True)
class NothingHere(English, APIView):
    """What leads nowhere below /api/v1/ is answered in the API's own shape."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise NotFound

    post = put = patch = delete = get
