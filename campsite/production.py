"""What a site may not run with: each is one sentence that names the setting and the cure. Pure."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

SECRET_LETTERS = 50
SECRET_DIFFERENT = 5
KNOWN_SECRETS = ("django-insecure-", "only-for-tests-and-tools", "changeme", "change-me")
GOOD_ONE = "`openssl rand -base64 48` makes a good one."


def check(settings: Mapping[str, Any]) -> None:
    """Raises ImproperlyConfigured with the first refusal. Quotes no secret."""
    if refused := next(iter(refusals(settings)), None):
        raise ImproperlyConfigured(f"{refused} (PRODUCTION=0 is for trying out and for tools.)")


def refusals(settings: Mapping[str, Any]) -> list[str]:
    """Why a site must not start with these settings."""
    secret = settings["SECRET_KEY"]
    found = {
        "DEBUG is on, which shows strangers our code and settings. Take DEBUG away.": settings["DEBUG"],
        f"SECRET_KEY is one that others know. Set one of your own: {GOOD_ONE}": secret.startswith(KNOWN_SECRETS),
        f"SECRET_KEY has less than {SECRET_LETTERS} letters, or few different ones: it can be guessed. {GOOD_ONE}": (
            len(secret) < SECRET_LETTERS or len(set(secret)) < SECRET_DIFFERENT
        ),
        "ALLOWED_HOSTS holds a wildcard for all hosts. Name those that the site is called by.": _takes_all(
            settings["ALLOWED_HOSTS"]
        ),
        "CSRF_TRUSTED_ORIGINS holds http:// or a wildcard for all. Name https:// origins.": any(
            origin.startswith("http://") or origin.endswith("://*") for origin in settings["CSRF_TRUSTED_ORIGINS"]
        ),
        "SITE_URL begins with http://, so guests' secret links would travel in the clear. Make it https://.": settings[
            "SITE_URL"
        ].startswith("http://"),
        "TRUSTED_PROXIES holds a network of everybody. Name the proxy's own address or network.": any(
            network.prefixlen == 0 for network in settings["TRUSTED_PROXIES"]
        ),
    }
    return [sentence for sentence, is_so in found.items() if is_so]


def _takes_all(hosts: list[str]) -> bool:
    return any(host.strip(". ") in ("*", "") for host in hosts)
