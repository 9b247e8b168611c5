"""What is shown when something fails: to a developer, to people, to machines."""

import re

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter
from django.views.defaults import server_error

from campsite.redaction import redact


class WithoutAddresses(SafeExceptionReporterFilter):
    """Addresses of services hold passwords, which Django does not know."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern
        + "|_URL|DATABASES|CHANNEL_LAYERS|BACKUP_TARGETS|BACKUP_IDENTITY",
        flags=re.IGNORECASE,
    )


class Reporter(ExceptionReporter):
    """Addresses that we were called by hold tokens: in the request, and in the variables of any frame."""

    def get_traceback_html(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_html()))  # noqa: S308  (the reporter has escaped it)

    def get_traceback_text(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_text()))  # noqa: S308


def failed(request: HttpRequest) -> HttpResponse:
    """A mistake of ours: a page for people, the API's own shape for machines. Needs no database."""
    if not request.path.startswith("/api/"):
        return server_error(request)
    message = "Something went wrong here. Whether it was done is not known: look, before you ask again."
    return JsonResponse({"error": {"code": "error", "message": message, "fields": {}}}, status=500)
