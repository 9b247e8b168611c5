"""Every error of the API in one shape: {"error": {"code", "message", "fields"}}."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import exception_handler


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


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST_FRAMEWORK's EXCEPTION_HANDLER. None lets Django answer: a mistake of ours, not of the caller."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return None
    response.data = {"error": describe(error)}
    return response


def describe(error: exceptions.APIException) -> dict[str, Any]:
    if not isinstance(error, exceptions.ValidationError):
        return {"code": error.get_codes(), "message": str(error.detail), "fields": {}}
    if not isinstance(error.detail, dict):
        return {"code": "invalid", "message": " ".join(map(str, error.detail)), "fields": {}}
    fields = {name: [str(reason) for reason in reasons] for name, reasons in error.detail.items()}
    message = "; ".join(f"{name}: {' '.join(reasons)}" for name, reasons in fields.items())
    return {"code": "invalid", "message": message, "fields": fields}
