"""Commands in the API: what was done about a wanted state, and how far it is proven."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from meters import commands
from meters.api import bodies
from meters.api.base import MISSING, NOT_SEEN, NOT_SWITCHED, REFUSED, MaySeeCommands, MaySwitch, ReadOnly
from meters.api.errors import ErrorSerializer, Refused
from meters.api.filters import CommandFilter
from meters.api.serializers import ON_OFF, time
from meters.models import Command, Meter, Order, Source

FAILURES = [choice for choice in Command.Failure.choices if choice[0]]
LOADS = [choice for choice in Command.Load.choices if choice[0]]


class CommandSerializer(serializers.ModelSerializer[Command]):
    """One effort to bring a meter to its wanted state, in up to three attempts."""

    meter = serializers.CharField(source="meter.device.ieee_address", read_only=True, help_text="Its IEEE address.")
    state = serializers.SerializerMethodField(help_text="What the relay should be.")
    status = serializers.ChoiceField(
        choices=Command.Status.choices,
        read_only=True,
        help_text="queued: waits for its turn, for the meter or for the next attempt; sent; acknowledged: the meter "
        "answered, which proves little; confirmed: the meter told the wanted position when it was asked; failed; "
        "expired: could not be sent in its time; superseded: something else was wanted meanwhile; cancelled.",
    )
    automatic = serializers.BooleanField(read_only=True, help_text="Whether the software made it by itself.")
    source = serializers.ChoiceField(  # type: ignore[assignment]  # DRF takes declared fields off the class
        source="want.source", choices=Source.choices, read_only=True, help_text="Whose want it serves."
    )
    reason = serializers.CharField(source="want.reason", read_only=True, help_text="Why; may be empty.")
    by = serializers.CharField(
        source="want.by.username", allow_null=True, read_only=True, help_text="The user. Null: the software itself."
    )
    until = time("want.until", "Until when this is wanted. Null: until further notice.")
    order = serializers.IntegerField(
        source="order_id", allow_null=True, read_only=True, help_text="The click or request it belongs to."
    )
    attempts = serializers.IntegerField(read_only=True, help_text="How often it was sent, 3 at most.")
    failure = serializers.SerializerMethodField(
        help_text="Why the last attempt failed, also while the next one waits. Null: it did not."
    )
    failure_text = serializers.SerializerMethodField(help_text="The same in words.")
    detail = serializers.CharField(read_only=True, help_text="The failure in Zigbee2MQTT's words; may be empty.")
    load = serializers.SerializerMethodField(
        help_text="After an OFF was confirmed: whether current still flows. Null: not known yet, or an ON."
    )
    created_at = time(help_text="When it was made.")
    expires_at = time(help_text="It is not sent after this.")
    next_attempt_at = time("not_before", "When the next attempt may follow. Null: nothing failed, or it is under way.")
    sent_at = time(help_text="When the last attempt was sent.")
    acknowledged_at = time(help_text="When the meter answered it.")
    confirmed_at = time(help_text="When the meter told the wanted position.")
    load_at = time(help_text="When the load was known.")
    finished_at = time(help_text="When it was confirmed, or given up. Null: it is open.")

    class Meta:
        model = Command
        fields = [
            *("id", "meter", "state", "status", "automatic", "source", "reason", "by", "until", "order"),
            *("attempts", "failure", "failure_text", "detail", "load"),
            *("created_at", "expires_at", "next_attempt_at", "sent_at", "acknowledged_at", "confirmed_at"),
            *("load_at", "finished_at"),
        ]

    @extend_schema_field(serializers.ChoiceField(choices=ON_OFF))
    def get_state(self, command: Command) -> str:
        return "on" if command.state else "off"

    @extend_schema_field(serializers.ChoiceField(choices=FAILURES, allow_null=True))
    def get_failure(self, command: Command) -> str | None:
        return command.failure or None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_failure_text(self, command: Command) -> str | None:
        return command.get_failure_display() or None

    @extend_schema_field(serializers.ChoiceField(choices=LOADS, allow_null=True))
    def get_load(self, command: Command) -> str | None:
        return command.load or None


# What the description says of POST /meters/{ieee}/power/.
POWER: dict[str, Any] = {
    "summary": "Switch a meter on or off",
    "description": """From now on staff want this relay on or off, until `until` or until further notice.

The answer comes at once and proves nothing yet: the command is then sent and followed. To wait for it, read
`GET /api/v1/commands/{id}/` (the `Location` of the answer) once a second until `finished_at` is set.

* A meter that is online usually has `confirmed` within 5 seconds. Where an attempt fails, `failure` says why and the
  command is `queued` again; after three attempts, about 2 minutes in all, it is `failed`.
* After a `confirmed` OFF the current is read; `load` is known within 20 seconds, at the latest after 40. Where current
  still flows (a welded relay) the confirmed command becomes `failed` after all, with the failure `load`: to be sure,
  wait for `load_at`, too.
* For a meter that is not online the command stays `queued` and is sent when the meter is heard; after `expires_at` it
  is `expired` and never sent.

A newer request for the same meter overtakes an older one (`superseded`), unless it asks for what is under way already:
then both are served by the same command.

With an `Idempotency-Key` a request can safely be repeated when no answer came: the same user's same key with the same
body leads to the same command again, with another body to 409 `key_used`. A key is remembered as long as its command,
90 days as a rule.""",
    "parameters": [
        OpenApiParameter(
            bodies.KEY,
            OpenApiTypes.STR,
            OpenApiParameter.HEADER,
            description="Any text of 1 to 100 printable ASCII characters, e.g. a UUID: another one for each act.",
        ),
        OpenApiParameter(
            "Location", OpenApiTypes.URI_REF, OpenApiParameter.HEADER, response=[202], description="Of the command."
        ),
    ],
    "request": bodies.PowerBody,
    "responses": NOT_SWITCHED
    | {
        202: CommandSerializer,
        409: OpenApiResponse(
            ErrorSerializer,
            description="`no_relay`: it only measures; `gone`: it was removed; `key_used`: the key was used before, "
            "for something else.",
        ),
    },
    "examples": [
        OpenApiExample("On", {"state": "on"}, request_only=True),
        OpenApiExample(
            "Off, with a reason",
            {"state": "off", "reason": "Water in the outlet", "until": None},
            request_only=True,
        ),
        OpenApiExample(
            "On until tomorrow noon",
            {"state": "on", "reason": "Late departure", "until": "2026-07-02T12:00:00+02:00"},
            request_only=True,
        ),
        OpenApiExample(
            "Accepted",
            {
                "id": 4711,
                "meter": "0xa4c1380000000001",
                "state": "off",
                "status": "queued",
                "automatic": False,
                "source": "staff",
                "reason": "Water in the outlet",
                "by": "reception",
                "until": None,
                "order": 815,
                "attempts": 0,
                "failure": None,
                "failure_text": None,
                "detail": "",
                "load": None,
                "created_at": "2026-07-01T08:00:00.000000Z",
                "expires_at": "2026-07-01T08:15:00.000000Z",
                "next_attempt_at": None,
                "sent_at": None,
                "acknowledged_at": None,
                "confirmed_at": None,
                "load_at": None,
                "finished_at": None,
            },
            response_only=True,
            status_codes=["202"],
        ),
        OpenApiExample(
            "A reason is needed",
            {
                "error": {
                    "code": "needs_reason",
                    "message": "Somebody may depend on this power: write why it is switched off.",
                    "fields": {"reason": ["Somebody may depend on this power: write why it is switched off."]},
                }
            },
            response_only=True,
            status_codes=["400"],
        ),
    ],
}


@extend_schema_view(
    list=extend_schema(
        summary="All commands, the newest first",
        responses={200: CommandSerializer(many=True)} | REFUSED | NOT_SEEN,
    ),
    retrieve=extend_schema(summary="One command", responses={200: CommandSerializer} | MISSING | NOT_SEEN),
)
class CommandViewSet(ReadOnly[Command]):
    """Commands: those that staff gave and those that the software made by itself. Old ones are forgotten in time."""

    permission_classes = [MaySeeCommands]
    serializer_class = CommandSerializer
    filterset_class = CommandFilter
    lookup_value_converter = "int"
    queryset = Command.objects.select_related("meter__device", "want__by").order_by("-pk")

    @extend_schema(
        summary="Cancel a command",
        request=bodies.EmptyBody,
        responses=NOT_SWITCHED
        | {
            200: CommandSerializer,
            409: OpenApiResponse(
                ErrorSerializer,
                description="`under_way`: what was sent cannot be called back; `finished`: it ended otherwise; "
                "`automatic`: the software does it by itself.",
            ),
        },
    )
    @action(detail=True, methods=["post"], permission_classes=[MaySwitch])
    def cancel(self, request: Request, pk: int) -> Response:
        """Possible while it waits: for its turn, for the meter, or between two attempts. What the same source wanted
        before is in force again. To cancel what is cancelled already changes nothing.
        """
        bodies.EmptyBody.of(request)
        is_cancelled = commands.cancel([self.get_object().pk], by=request.user) > 0
        command = self.get_object()
        if is_cancelled or command.status == Command.Status.CANCELLED:
            return Response(self.get_serializer(command).data)
        if command.is_open and command.automatic:
            raise Refused("automatic", "The software does it by itself: the stop halts what is automatic.")
        if command.is_open:
            raise Refused("under_way", "It is under way: what was sent cannot be called back.")
        raise Refused("finished", f"It is finished: {command.status}.")


def serving(order: Order, meter: Meter) -> Command:
    """The command that serves this order for this meter.

    A later order for the same takes over a command that is under way. The order then has none of its own: it was the
    meter's newest when the order was made.
    """
    found = CommandViewSet.queryset.filter(meter=meter)
    return found.filter(order=order).first() or found.filter(created_at__lte=order.created_at)[:1].get()
