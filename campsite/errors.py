"""What an error page of a developer may show."""

import re

from django.views.debug import SafeExceptionReporterFilter


class WithoutAddresses(SafeExceptionReporterFilter):
    """Addresses of services hold passwords, which Django does not know."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|_URL|DATABASES|CHANNEL_LAYERS", flags=re.IGNORECASE
    )
