"""Every error of the API in one shape: {"error": {"code", "message", "fields"}}."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, serializers, status
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from meters.commands import SwitchingError


class ErrorDetailSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="For machines: invalid, not_authenticated, permission_denied, not_found …")
    message = serializers.CharField(help_text="For people.")
    fields = serializers.DictField(  # type: ignore[assignment]  # DRF takes declared fields off the class
        child=serializers.ListField(child=serializers.CharField()),
        help_text="For each parameter that was refused: why. Empty where no parameter is to blame.",
    )


class ErrorSerializer(serializers.Serializer[Any]):
    """What went wrong."""

    error = ErrorDetailSerializer()


class Refused(exceptions.APIException):
    """Understood, but not done: 400 where another value in `field` would mend it, else 409."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        self.status_code = status.HTTP_400_BAD_REQUEST if field else status.HTTP_409_CONFLICT
        self.field = field
        super().__init__(message, code)


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST_FRAMEWORK's EXCEPTION_HANDLER. None lets Django answer: a mistake of ours, not of the caller."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, SwitchingError):
        error = Refused(error.code, str(error), error.field)
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return None
    response.data = {"error": describe(error)}
    return response


def describe(error: exceptions.APIException) -> dict[str, Any]:
    if not isinstance(error, exceptions.ValidationError):
        message = str(error.detail)
        blamed = {error.field: [message]} if isinstance(error, Refused) and error.field else {}
        return {"code": error.get_codes(), "message": message, "fields": blamed}
    if not isinstance(error.detail, dict):
        return {"code": "invalid", "message": " ".join(map(str, error.detail)), "fields": {}}
    fields = {name: [str(reason) for reason in reasons] for name, reasons in error.detail.items()}
    of_the_whole = fields.pop(api_settings.NON_FIELD_ERRORS_KEY, [])
    message = "; ".join([*of_the_whole, *(f"{name}: {' '.join(reasons)}" for name, reasons in fields.items())])
    return {"code": "invalid", "message": message, "fields": fields}
