"""What machines may send: bodies in JSON, taken strictly, and the key of a request that may come twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import IO, Any

from rest_framework import serializers
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.settings import api_settings

from meters.api import parameters
from meters.api.serializers import ON_OFF
from meters.models import Order, Want

KEY = "Idempotency-Key"
LONGEST_KEY = Order._meta.get_field("key").max_length or 0
LONGEST_REASON = Want._meta.get_field("reason").max_length or 0


class Json(JSONParser):
    """JSON of a sane depth, whose texts are texts: half a surrogate pair cannot even be quoted in an answer."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            parsed = super().parse(stream, media_type, parser_context)
            json.dumps(parsed, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
        except UnicodeEncodeError:
            raise ParseError("JSON parse error - half a surrogate pair") from None
        return parsed


class Text(serializers.CharField):
    """A JSON string; numbers are none."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Moment(serializers.DateTimeField):
    """A time with its zone."""

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            raise ValidationError([parameters.NO_TIME])
        return parameters.moment(value)


class Body(serializers.Serializer[Any]):
    """The body of a request: what it does not know is refused, not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: ["The body must be a JSON object."]})
        if unknown := sorted(set(data) - set(self.fields)):
            raise ValidationError({name: ["There is no such field."] for name in unknown})
        return super().to_internal_value(data)

    @classmethod
    def of(cls, request: Request) -> dict[str, Any]:
        """The body's values, with defaults for what is not given. Raises ValidationError that names the field."""
        body = cls(data=request.data)
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)


class EmptyBody(Body):
    """Nothing, or an empty object."""


class ReleaseBody(Body):
    """Why staff no longer want anything of a meter."""

    reason = Text(
        default="", allow_blank=True, max_length=LONGEST_REASON, help_text="Why, for the audit log. May be left out."
    )


class PowerBody(Body):
    """What a meter's relay should be."""

    state = serializers.ChoiceField(choices=ON_OFF, help_text="What the relay should be.")
    reason = Text(
        default="",
        allow_blank=True,
        max_length=LONGEST_REASON,
        help_text="Why. Needed to switch off a meter whose pitch is occupied or protected.",
    )
    until = Moment(
        default=None,
        allow_null=True,
        help_text="Until when staff want this, with time zone; then what others want is in force. Null or left out: "
        "until further notice.",
    )


def key(request: Request) -> str:
    """The request's Idempotency-Key, empty where there is none. Raises ValidationError that names the header."""
    given = request.headers.get(KEY)
    if given is None:
        return ""
    if not (0 < len(given) <= LONGEST_KEY and given.isascii() and given.isprintable()):
        raise ValidationError({KEY: [f"1 to {LONGEST_KEY} printable ASCII characters."]})
    return given
