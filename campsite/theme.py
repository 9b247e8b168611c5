"""How the admin looks: django-unfold's settings."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

TEAL = {
    "50": "oklch(98.4% .014 180.7)",
    "100": "oklch(95.3% .051 180.8)",
    "200": "oklch(91% .096 180.4)",
    "300": "oklch(85.5% .138 181.1)",
    "400": "oklch(77.7% .152 181.9)",
    "500": "oklch(70.4% .14 182.5)",
    "600": "oklch(51.1% .096 186.4)",
    "700": "oklch(43.7% .078 188.2)",
    "800": "oklch(38.6% .063 188.4)",
    "900": "oklch(33% .054 190)",
    "950": "oklch(27.7% .046 192.5)",
}


def unfold(site_name: Any) -> dict[str, Any]:
    """`site_name`: a text, or one that is translated when it is shown."""
    return {
        "SITE_TITLE": site_name,
        "SITE_HEADER": site_name,
        "SITE_SYMBOL": "bolt",
        "SITE_FAVICONS": [
            {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("icons/favicon.svg")}
        ],
        "SITE_URL": reverse_lazy("board"),
        "STYLES": [lambda request: static("css/admin.css")],
        "COLORS": {"primary": TEAL},
        "SHOW_VIEW_ON_SITE": False,
        "DASHBOARD_CALLBACK": "monitoring.glance.dashboard",
        "SIDEBAR": {
            "show_search": True,
            "show_all_applications": True,
            "navigation": "campsite.menu.navigation",
        },
    }
