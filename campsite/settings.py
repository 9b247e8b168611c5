"""All settings, from the environment; each NAME may also come from a file named in NAME_FILE."""

import re
import sys
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from campsite import environment, production, theme
from monitoring.backup import addresses, sealing

BASE_DIR = Path(__file__).resolve().parent.parent


env = environment.reader()
TESTING = "pytest" in sys.modules or "mypy" in sys.modules

# --- who and where -------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
"""Errors are shown with all that the code knows, to whoever caused them: to develop with, never where others come."""
PRODUCTION = env.bool("PRODUCTION", default=not (DEBUG or TESTING))
"""Whether guests and staff rely on this site: it then refuses to start with what is only good for trying out
(campsite/production.py), and expects to be called by https://. Default: where DEBUG is off."""
SECRET_KEY = env.str("SECRET_KEY", default="only-for-tests-and-tools" if DEBUG or TESTING else "")
"""Signs sessions and cookies: 50 random letters or more (openssl rand -base64 48). A secret; a new one logs all out."""
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Put a long random text into SECRET_KEY or name a file in SECRET_KEY_FILE."
    )
DEFAULT_EXCEPTION_REPORTER = "campsite.errors.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "campsite.errors.WithoutAddresses"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
"""The names under which the site may be called, without https:// and port; all other calls are refused."""
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
"""Addresses with https:// from which forms are taken, where a proxy stands before us: https://power.example.com."""
_ORIGIN = next((each for each in CSRF_TRUSTED_ORIGINS if "*" not in each), "")
SITE_URL = (env.str("SITE_URL", default="") or _ORIGIN).rstrip("/")
"""What the site is called from outside, for the addresses that guests and Sirvoy get: https://power.example.com. By
default the first of CSRF_TRUSTED_ORIGINS; without any, what staff's browsers call it."""
if SITE_URL and not re.fullmatch(r"https?://[^/\s]+", SITE_URL):
    raise ImproperlyConfigured(f"SITE_URL must be like https://power.example.com, without a path: {SITE_URL}")

SITE_NAME = env.str("SITE_NAME", default="") or _("Electricity")
"""What the site is called, on pages, in mails and alerts; empty: Electricity, in the reader's language."""
SITE_PHONE = env.str("SITE_PHONE", default="")
"""Reception's telephone; told on guests' pages. Empty: none is told."""
SITE_EMAIL = env.str("SITE_EMAIL", default="")
"""Reception's e-mail; told on guests' pages. Without telephone and e-mail guests are asked to come."""
SITE_ADDRESS = env.str("SITE_ADDRESS", default="")
"""Where the business is; told on guests' statements. Empty: they say nothing."""
SITE_CVR = env.str("SITE_CVR", default="")
"""The business's number in Denmark's register; told on guests' statements. Empty: they say nothing."""

# --- services: no defaults, so that nothing is written to the wrong place ------------------------

DATABASE_URL = env.str("DATABASE_URL", default="")
"""PostgreSQL (tried with 18): postgres://user:password@host:5432/name; over a network with ?sslmode=verify-full.
A secret."""
REDIS_URL = env.str("REDIS_URL", default="")
"""Redis or Valkey: redis://:password@host:6379/0. It holds nothing that may not be lost. A secret."""
MQTT_URL = env.str("MQTT_URL", default="")
"""The broker of all Zigbee2MQTTs: mqtt://user:password@host:1883, or mqtts://…:8883 with TLS. A secret."""
MQTT_CLIENT_ID = env.str("MQTT_CLIENT_ID", default="campsite-ingest")
"""The broker keeps messages for this name while the worker is away: never the same for two installations. Whoever may
come to the broker and knows it can end the worker's connection: campsite- and 14 random letters (deploy/install)."""
MQTT_PERSISTENT_SESSION = env.bool("MQTT_PERSISTENT_SESSION", default=True)
"""Off for try-outs on somebody else's broker, which would else keep messages for ever after they have ended."""

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url_config(DATABASE_URL) if DATABASE_URL else {"ENGINE": "django.db.backends.postgresql"}
}
DATABASES["default"] |= {
    "ENGINE": "django.db.backends.postgresql",
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": {
        **DATABASES["default"].get("OPTIONS", {}),  # e.g. sslmode, from the URL
        "connect_timeout": 5,
        "options": "-c statement_timeout=60000 -c idle_in_transaction_session_timeout=60000",
    },
}
DATABASE_POOL = env.bool("DATABASE_POOL", default=False)
"""At most eight connections that wait for whoever calls. Only for the web process: a pool breaks qcluster's forks."""
if DATABASE_POOL:
    # A pool that tries again and again waits twice as long each time: after an hour's outage, for minutes more.
    # Who hangs in the middle of an order holds commands that the worker waits for, and with them all that is measured.
    DATABASES["default"]["OPTIONS"]["options"] += " -c idle_in_transaction_session_timeout=10000"
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 8, "timeout": 5, "reconnect_timeout": 5}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_PREFIX = env.str("CHANNEL_PREFIX", default="campsite")
"""Several installations may share a Redis; each hears, and keeps, only its own."""
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "prefix": CHANNEL_PREFIX,
            "hosts": [{"address": REDIS_URL or "redis://localhost", "socket_connect_timeout": 2}],
        },
    }
}

Q_CLUSTER = {
    "name": "campsite",
    "orm": "default",
    "workers": 3,  # a backup keeps one busy, a restore drill another: one is always left for what is done each minute
    "recycle": 50,  # jobs, a quarter of an hour: with a worker goes what it has loaded and keeps; a fork costs nothing
    "timeout": 600,  # seconds: the longest a job may take; a backup says itself that it may take four hours
    "retry": 15_000,  # must exceed the longest job, or it is handed out twice
    "save_limit": 250,  # jobs that went well: an hour's; of those that failed see FAILURES_KEPT_DAYS
    "max_attempts": 1,  # jobs are periodic: the next run is the retry
    "ack_failures": True,
    "catch_up": False,  # after an outage once, not once for every missed minute
    "label": _("Background jobs"),
}

# --- the application -----------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin.apps.SimpleAdminConfig",  # its pages are loaded with the addresses: campsite/urls.py
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "auditlog",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "csp",
    "meters",
    "bookings",
    "monitoring",
    "campsite",
    "django_q",  # after campsite, whose qcluster is taken before its own
]

MIDDLEWARE = [
    "campsite.middleware.believed",
    "django.middleware.security.SecurityMiddleware",
    "campsite.middleware.isolated",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "campsite.login.sessions.renewed",
    "django.contrib.messages.middleware.MessageMiddleware",
    "campsite.strangers.Limited",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "campsite.middleware.admin_policy",
    "campsite.middleware.Audit",
    "campsite.middleware.SavedAtOnce",
    "campsite.middleware.NoSuchValue",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "campsite.urls"
ASGI_APPLICATION = "campsite.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ]
        },
    }
]

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "board"

CACHES = {
    "default": {
        "BACKEND": "campsite.shared_cache.SharedCache"
        if REDIS_URL
        else "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": [REDIS_URL] if REDIS_URL else "",
        "KEY_PREFIX": CHANNEL_PREFIX,
    }
}
"""Holds how often somebody tried something, for all processes."""
STRANGERS_A_MINUTE = env.int("STRANGERS_A_MINUTE", default=300)
"""Requests of whom nobody knows, from one address: a campsite's guests may share theirs. More are answered 429."""
SOCKETS_A_MINUTE = env.int("SOCKETS_A_MINUTE", default=1200)
"""WebSockets that one address may open: after an outage all guests' telephones come at once."""
# --- log-in of staff: docs/log-in.md -------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses what campsite/login/attempts.py does not let through
    "campsite.login.backends.ByPassword",
    "campsite.login.backends.ByBoth",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "campsite.login.passwords.NotTheSitesName"},
]
PASSWORD_HASHERS = [
    "campsite.login.passwords.Argon2",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",  # of before: kept anew by the first at the next log-in
]
TWO_FACTOR_GROUPS = env.list("TWO_FACTOR_GROUPS", default=["manager", "technician", "superuser"] if PRODUCTION else [])
"""Groups whose members log in with a code of their telephone, too; superuser: those who may everything. Whoever has no
telephone enrolled yet is asked to at the next log-in. Empty: nobody must, everybody may."""
LOGIN_LASTS_H = env.float("LOGIN_LASTS_H", default=12)
"""Hours after which somebody who did nothing must log in anew."""
LOGIN_TRIES = env.int("LOGIN_TRIES", default=5)
"""Wrong tries of an address for one name, or of a browser that is known, until its log-in is shut for a while."""
LOGIN_TRIES_OF_AN_ADDRESS = env.int("LOGIN_TRIES_OF_AN_ADDRESS", default=30)
"""Wrong tries of an address for any names, until browsers there in which nobody has logged in yet are shut out."""
LOGIN_TRIES_FOR_A_NAME = env.int("LOGIN_TRIES_FOR_A_NAME", default=60)
"""Wrong tries for one name from anywhere, until browsers in which that person has not logged in yet are shut out."""
LOGIN_SHUT_MIN = env.float("LOGIN_SHUT_MIN", default=15)
"""Minutes for which a log-in is shut at first; each wrong try after that doubles it, to four hours."""
LOGINS_KEPT_DAYS = env.int("LOGINS_KEPT_DAYS", default=90)
"""Who logged in, and who tried in vain: when, and from where."""
if min(LOGIN_TRIES, LOGIN_TRIES_OF_AN_ADDRESS, LOGIN_TRIES_FOR_A_NAME, LOGIN_SHUT_MIN, LOGIN_LASTS_H) <= 0:
    raise ImproperlyConfigured("LOGIN_TRIES, their two fellows, LOGIN_SHUT_MIN and LOGIN_LASTS_H must be above 0.")
SESSION_COOKIE_AGE = round(LOGIN_LASTS_H * 3600)

AXES_HANDLER = "campsite.login.attempts.Handler"
AXES_USERNAME_CALLABLE = "campsite.login.attempts.name"
AXES_CLIENT_IP_CALLABLE = "campsite.login.attempts.address"
AXES_LOCKOUT_CALLABLE = "campsite.login.pages.shut"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # whose tries a log-in forgets
AXES_FAILURE_LIMIT = 1  # the handler counts, and says one or none
AXES_COOLOFF_TIME = timedelta(hours=24)  # so long a try is counted after the last
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ACCESS_FAILURE_LOG = True
AXES_ENABLE_ADMIN = False  # campsite/login/accounts.py shows what there is to see
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code", "next", "csrfmiddlewaretoken"]


def OTP_TOTP_ISSUER(_device: object) -> str:
    """What the telephone calls the site."""
    return str(SITE_NAME)


AUDITLOG_CID_HEADER = None
"""Nothing that a caller only claims is stored."""
AUDITLOG_INCLUDE_TRACKING_MODELS = [
    {
        "model": "auth.User",
        "exclude_fields": ["last_login"],
        "mask_fields": ["password"],
        "mask_callable": "meters.admin.history.withheld",
        "m2m_fields": {"groups", "user_permissions"},
    },
    {"model": "auth.Group", "m2m_fields": {"permissions"}},
    {"model": "meters.Area", "m2m_fields": {"neighbours"}},
    "meters.Meter",
    {"model": "meters.Pitch", "exclude_fields": ["occupied_until"]},
    "bookings.PackagePattern",
    "bookings.PowerRule",
    "bookings.Tariff",
    {"model": "monitoring.AlertRoute", "m2m_fields": {"areas"}},
    "monitoring.MaintenanceWindow",
]
"""The tables whose changes are kept by themselves, whoever makes them: those of staff's forms. Verbs note their own."""
TRUSTED_PROXIES = [ip_network(told, strict=False) for told in env.list("TRUSTED_PROXIES", default=[])]
"""Addresses or networks of our own proxies: what these say of the caller (X-Forwarded-For, X-Forwarded-Proto) is
believed. uvicorn needs --no-proxy-headers for it, else it believes others."""

# --- language and time ---------------------------------------------------------------------------

LANGUAGE_CODE = "da"
LANGUAGES = [
    ("da", "Dansk"),
    ("de", "Deutsch"),
    ("nl", "Nederlands"),
    ("en", "English"),
    ("nb", "Norsk"),
    ("sv", "Svenska"),
]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["campsite.formats"]
TIME_ZONE = env.str("TIME_ZONE", default="Europe/Copenhagen")
"""The campsite's clock, by which its days begin, guests leave and reception opens; all times are stored in UTC."""

# --- static files --------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
WHITENOISE_USE_FINDERS = env.bool("STATIC_IN_PLACE", default=DEBUG or TESTING)
"""Static files are served from where they lie, without collectstatic: for developing and trying out."""
WHITENOISE_AUTOREFRESH = DEBUG or TESTING  # a file is looked for when it is asked for, not all of them at each start

# --- security ------------------------------------------------------------------------------------

CSRF_COOKIE_HTTPONLY = True
HTTPS = env.bool("HTTPS", default=PRODUCTION)
"""Whether browsers reach the site by https:// alone: cookies then never travel in the clear."""
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
if HTTPS:  # names that a browser takes only over TLS, from this very host
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-session", "__Host-csrf"
HSTS_S = env.int("HSTS_S", default=3600 if HTTPS else 0)
"""Seconds for which a browser that was here once asks by https:// only. Raise it when TLS has worked for a while: an
hour first, 604800 (a week) then, 31536000 (a year) in the end. It cannot be taken back sooner."""
SECURE_HSTS_SECONDS = HSTS_S
SECURE_HSTS_INCLUDE_SUBDOMAINS = True  # of the site's own host
# Who ends TLS for us says so; campsite.middleware.believed drops the header where it is not one of TRUSTED_PROXIES.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Without a proxy that we believe nobody could tell how he was called: everything would be led in a circle.
SECURE_SSL_REDIRECT = HTTPS and bool(TRUSTED_PROXIES)
SECURE_REDIRECT_EXEMPT = [r"^health/(live|ready)$", r"^metrics$"]  # asked by machines beside us, past the proxy
SECURE_REFERRER_POLICY = "same-origin"  # guests' addresses are secret: no other site hears of them
SILENCED_SYSTEM_CHECKS = ["security.W021"]  # to be on browsers' own list for ever is the domain's owner's decision
CONTENT_SECURITY_POLICY = {
    # The admin's theme (Alpine.js) needs unsafe-eval and inline styles: campsite/middleware.py has its policy.
    "EXCLUDE_URL_PREFIXES": ["/admin/"],
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}

# --- the API -------------------------------------------------------------------------------------

API_CALLS_A_MINUTE = env.int("API_CALLS_A_MINUTE", default=600)
"""Calls that a token, or a user, may make; more are answered 429."""
API_WRONG_TOKENS_A_MINUTE = env.int("API_WRONG_TOKENS_A_MINUTE", default=20)
"""Calls without a right token that an address may make. Right ones are never refused for it."""
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["meters.api.bodies.Json"],
    "DEFAULT_METADATA_CLASS": None,  # the schema describes; OPTIONS would tell half of it
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "campsite.strangers.handle",
    "DEFAULT_THROTTLE_CLASSES": ["campsite.throttles.PerCaller"],
    "COERCE_DECIMAL_TO_STRING": False,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Campsite electricity",
    "DESCRIPTION": "Read areas, pitches, meters and their use; switch meters on and off. Times are ISO 8601 in UTC.",
    "VERSION": "1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "OnOffEnum": "meters.api.serializers.ON_OFF",
        "MeterKindEnum": "meters.api.serializers.METER_KINDS",
        "PitchKindEnum": "meters.models.Pitch.Kind",
        "CommandStatusEnum": "meters.models.Command.Status",
        "FailureEnum": "meters.api.commands.FAILURES",
        "LoadEnum": "meters.api.commands.LOADS",
        "HoldEnum": "meters.api.serializers.HOLDS",
        "SourceEnum": "meters.models.Source",
    },
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAdminUser"],
}

# --- meters --------------------------------------------------------------------------------------

READINGS_KEPT_DAYS = env.int("READINGS_KEPT_DAYS", default=90)
"""Raw readings older than this many days are refused, and dropped once their hours are proven (docs/retention.md)."""
HOURS_KEPT_YEARS = env.int("HOURS_KEPT_YEARS", default=5)
"""The use by hour is kept so long, the use by day for ever."""
if READINGS_KEPT_DAYS < 2 or HOURS_KEPT_YEARS < 2 or READINGS_KEPT_DAYS > 366 * (HOURS_KEPT_YEARS - 1):
    raise ImproperlyConfigured(
        "Keep readings for two days at least, hours for two years and a year longer than readings."
    )

COMMAND_ANSWER_S = env.float("COMMAND_ANSWER_S", default=35)
"""Seconds until a command without an answer is known to have failed; Zigbee needs up to 30. Never resent sooner."""
COMMAND_DEADLINE_S = env.float("COMMAND_DEADLINE_S", default=900)
"""A command that could not be sent for so many seconds (the meter was offline) is never sent."""
CORRECTIONS_AN_HOUR = env.int("CORRECTIONS_AN_HOUR", default=3)
"""A meter that was switched by itself so often within an hour is left alone, and reported."""
AUTOMATIC_OFFS_AN_HOUR = env.int("AUTOMATIC_OFFS_AN_HOUR", default=40)
"""More automatic switch-offs than this within an hour stop everything automatic until a person says otherwise."""

# --- bookings ------------------------------------------------------------------------------------

CHECK_OUT_AT = env.str("CHECK_OUT_AT", default="11:00")
"""When guests leave on their last day, by the campsite's clock."""
RECEPTION_OPENS = env.str("RECEPTION_OPENS", default="08:00")
"""When somebody is there to help guests, by the campsite's clock."""
RECEPTION_CLOSES = env.str("RECEPTION_CLOSES", default="20:00")
"""Until when: only between these two the power of a guest who is still here is ended."""
for _at in (CHECK_OUT_AT, RECEPTION_OPENS, RECEPTION_CLOSES):
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", _at):
        raise ImproperlyConfigured(f"This is no time of day like 08:00: {_at}")
if RECEPTION_OPENS >= RECEPTION_CLOSES:
    raise ImproperlyConfigured("RECEPTION_OPENS must come before RECEPTION_CLOSES, on the same day.")
POLICY_LEASE_MIN = env.int("POLICY_LEASE_MIN", default=15)
"""Minutes for which a decision about power holds unless it is renewed, as it is each minute."""
SEASON_ADULTS = env.int("SEASON_ADULTS", default=0)
"""Sirvoy's number of adults that marks a season guest."""
GUESTS_KEPT_DAYS = env.int("GUESTS_KEPT_DAYS", default=30)
"""So many days after departure what is personal of a guest is erased; kWh and amounts stay."""

SIRVOY_BODY_LIMIT = env.int("SIRVOY_BODY_LIMIT", default=1_000_000)
"""Bytes that are kept of what Sirvoy sends; of more the beginning is kept, and staff are told."""
SIRVOY_WRONG_TOKENS_A_MINUTE = env.int("SIRVOY_WRONG_TOKENS_A_MINUTE", default=20)
"""Calls with a wrong token that an address may make; more are answered 429. Right ones are never refused."""
SIRVOY_ALLOWED_NETWORKS = [ip_network(told, strict=False) for told in env.list("SIRVOY_ALLOWED_NETWORKS", default=[])]
"""Only from there events are taken; empty: from anywhere. Sirvoy's, in 2026, were 34.243.166.60, 52.18.11.99,
63.34.80.48, 54.194.0.85 and 2a05:d018:e34:5300::/56. Behind a proxy it needs TRUSTED_PROXIES."""

PORTAL_OPEN_BEFORE_H = env.int("PORTAL_OPEN_BEFORE_H", default=24)
"""A guest's link works from so many hours before the day of arrival."""
PORTAL_OPEN_AFTER_H = env.int("PORTAL_OPEN_AFTER_H", default=24)
"""And until so many hours after the departure."""
PORTAL_WRONG_LINKS_A_MINUTE = env.int("PORTAL_WRONG_LINKS_A_MINUTE", default=20)
"""Wrong links that an address may try; more are answered 429. Right ones are never refused."""
PORTAL_PAGES_A_MINUTE = env.int("PORTAL_PAGES_A_MINUTE", default=240)
"""Pages that who came by one link may ask for: a party may have a telephone each."""
PORTAL_CHOICES_A_MINUTE = env.int("PORTAL_CHOICES_A_MINUTE", default=6)
"""So many numbers a guest may try until he has found his outlet."""

PORTAL_MAIL = env.bool("PORTAL_MAIL", default=True)
"""Whether guests get the link to their page by e-mail at check-in. It needs EMAIL_URL and SITE_URL."""
PORTAL_SWITCHES_A_MINUTE = env.int("PORTAL_SWITCHES_A_MINUTE", default=4)
"""So often the guests of a stay may switch."""
PORTAL_REPORTS_AN_HOUR = env.int("PORTAL_REPORTS_AN_HOUR", default=6)
"""So often they may report that something is wrong."""
PORTAL_FINDS_A_MINUTE = env.int("PORTAL_FINDS_A_MINUTE", default=30)
"""So often guests may look for their pages by number, name and date from one address: many may share the campsite's."""
PORTAL_FINDS_OF_A_BOOKING_AN_HOUR = env.int("PORTAL_FINDS_OF_A_BOOKING_AN_HOUR", default=10)
"""And so often for one booking, from anywhere."""

CURRENCY = env.str("CURRENCY", default="DKK")
"""What tariffs and amounts are in; only shown."""
SIRVOY_CSV_HEADERS: dict[str, str] = env.dict("SIRVOY_CSV_HEADERS", default={})
"""Further names of columns in Sirvoy's export of bookings, such as "Plads=Room No.,Gæster=Number of Guests"."""

# --- monitoring ----------------------------------------------------------------------------------

_ROUTES = (line.split(maxsplit=1) for line in env.str("ALERT_URLS", default="").splitlines())
ALERT_URLS = {route[0]: route[1].strip() for route in _ROUTES if len(route) == 2}
"""A line each: a route's name, and the address that Apprise tells: "on_duty ntfy://…". A secret: ALERT_URLS_FILE."""
EMERGENCY_URL = env.str("EMERGENCY_URL", default="")
"""Whom the MQTT worker tells by itself when the database or the background jobs are away: an address for Apprise.
A secret."""
EMERGENCY_AFTER_S = env.float("EMERGENCY_AFTER_S", default=120)
"""So many seconds it must have been so."""
DEAD_MANS_SWITCH_URL = env.str("DEAD_MANS_SWITCH_URL", default="")
"""Called each minute in which nothing critical is found; whoever answers there tells when we fall silent. A secret."""
if DEAD_MANS_SWITCH_URL and not DEAD_MANS_SWITCH_URL.startswith(("https://", "http://")):
    raise ImproperlyConfigured("DEAD_MANS_SWITCH_URL must begin with https:// or http://.")
WATCHED_DISKS = env.list("WATCHED_DISKS", default=[str(BASE_DIR)])
"""Folders, each on a disk that must not get full: of the database, of backups, of ourselves."""
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
"""What Prometheus shows at /metrics (Authorization: Bearer …). A secret; empty: there is no such page."""
if METRICS_TOKEN and not re.fullmatch(r"[\x21-\x7e]{20,}", METRICS_TOKEN):
    raise ImproperlyConfigured("METRICS_TOKEN must have at least 20 letters, digits or signs, and no blanks.")
_PROBES = [line.split() for line in env.str("PROBES", default="").splitlines() if line.strip()]
PROBES = {probe[0]: probe[-1] for probe in _PROBES}
"""What stands beside us and should answer, a line each: a name without blanks, and http://…, https://… or
tcp://host:port. Any answer below 500 will do. No password: the address is shown to who looks after it."""
if not all(
    len(probe) == 2 and re.fullmatch(r"https?://[^/\s@?#]+(/\S*)?|tcp://[^\s@]+:\d+", probe[1]) for probe in _PROBES
):
    raise ImproperlyConfigured("PROBES needs a line each: a name, a blank, and http://…, https://… or tcp://host:port.")
WATCHED_CERTIFICATES = [
    told if re.search(r":\d+$", told) else f"{told}:443" for told in env.list("WATCHED_CERTIFICATES", default=[])
]
"""Hosts whose certificate must be valid and not end soon: power.example.com,mqtt.example.com:8883."""

# --- backups -------------------------------------------------------------------------------------

BACKUP_TARGETS = environment.named("BACKUP_TARGETS")
"""Where backups go, a line each: a name and file:///folder, s3://… or sftp://… (docs/backup.md). A secret."""
BACKUP_RECIPIENTS = env.str("BACKUP_RECIPIENTS", default="").replace(",", " ").split()
"""Public keys of age (age1…): whoever has the secret key of one of them can read the backups. None: none are made."""
BACKUP_IDENTITY = env.str("BACKUP_IDENTITY", default="").strip()
"""The secret key (AGE-SECRET-KEY-1…) for the restore drill and for a restore. A secret: BACKUP_IDENTITY_FILE."""
BACKUP_FOLDERS = environment.named("BACKUP_FOLDERS")
"""Folders beside us that are backed up too, a line each: a name and the folder (mosquitto /mosquitto)."""
BACKUP_WORK = env.str("BACKUP_WORK", default=str(BASE_DIR / ".backup"))
"""A folder of ours, with room for one backup: there it is put together, sealed, before it goes to its targets."""
BACKUP_HISTORY = env.str("BACKUP_HISTORY", default="")
"""A folder for the history of the Zigbee2MQTTs' configurations, a git repository; empty: none is kept."""
POSTGRES_PROGRAMS = env.str("POSTGRES_PROGRAMS", default="")
"""The folder of pg_dump and pg_restore; empty: those of PATH. Of the server's major version, or a later one."""
_places: dict[tuple[object, ...], str] = {}
for _name, _url in BACKUP_TARGETS.items():
    try:
        _other = _places.setdefault(addresses.read(_url).place, _name)
        if _other != _name:
            raise ValueError(f"it is the same place as {_other}, and two copies there are one")
    except ValueError as _wrong:
        raise ImproperlyConfigured(f"The target {_name} of BACKUP_TARGETS cannot be used: {_wrong}.") from None
try:
    for _key in BACKUP_RECIPIENTS:
        sealing.check_recipient(_key)
    if BACKUP_IDENTITY:
        sealing.check_identity(BACKUP_IDENTITY)
except ValueError as _wrong:
    raise ImproperlyConfigured(f"A key in BACKUP_RECIPIENTS or BACKUP_IDENTITY is {_wrong}.") from None

# --- what is kept, and for how long: monitoring/retention/table.py says why ------------------------

COMMANDS_KEPT_DAYS = env.int("COMMANDS_KEPT_DAYS", default=90)
"""Finished commands, ended wants and answered requests; the audit log keeps what people did."""
HEALTH_KEPT_DAYS = env.int("HEALTH_KEPT_DAYS", default=14)
"""What each Zigbee2MQTT told of its health."""
INCIDENTS_KEPT_DAYS = env.int("INCIDENTS_KEPT_DAYS", default=730)
"""Incidents, their alerts, and when somebody looked: what availability is computed of."""
ONLINE_KEPT_DAYS = env.int("ONLINE_KEPT_DAYS", default=730)
"""When each meter was online, and when somebody listened."""
QUARANTINED_KEPT_DAYS = env.int("QUARANTINED_KEPT_DAYS", default=730)
"""Counter values that were not billed; the counters' epochs, which tell what was, are kept for ever."""
REJECTED_KEPT_DAYS = env.int("REJECTED_KEPT_DAYS", default=90)
"""Messages that could not be used, since they came last; of these the newest thousand."""
EVENTS_KEPT_DAYS = env.int("EVENTS_KEPT_DAYS", default=730)
"""That Sirvoy called, and what came of it; what it said is erased with the guest."""
AUDIT_KEPT_DAYS = env.int("AUDIT_KEPT_DAYS", default=730)
"""The audit log, apart from what is about money."""
MONEY_AUDIT_KEPT_YEARS = env.int("MONEY_AUDIT_KEPT_YEARS", default=6)
"""Danish law wants the accounts, and what explains them, for five years after the financial year."""
FAILURES_KEPT_DAYS = env.int("FAILURES_KEPT_DAYS", default=90)
"""Background jobs that failed."""
for _name, _kept in list(globals().items()):
    if re.search(r"_KEPT_(DAYS|YEARS)$", _name) and _kept < 1:
        raise ImproperlyConfigured(f"{_name} must be 1 or more.")

# --- mail to guests ------------------------------------------------------------------------------

EMAIL_URL = env.str("EMAIL_URL", default="consolemail://" if DEBUG else "")
"""smtp+tls://user:password@host:587, or consolemail:// (printed, for trying out); empty: no mail is sent. A secret."""
_MAIL = env.email_url_config(EMAIL_URL or "dummymail://")
globals().update({name: value for name, value in _MAIL.items() if value is not None})
EMAIL_TIMEOUT = 10  # seconds: a mail server that hangs holds up one job, not all
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="campsite@localhost")
"""Guests see it, and answer to it."""

UNFOLD = theme.unfold(SITE_NAME)

# --- logging: one line an event, to standard error; no tokens, no guests' data -------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
"""DEBUG, INFO, WARNING or ERROR: what is less than that is not written."""
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "campsite.redaction.WithoutSecrets",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.channels": {"level": "WARNING"},
        "django-q": {"level": "WARNING"},
        "paramiko": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        "fontTools": {"level": "WARNING"},  # it lists the letters of each PDF, guests' names among them
        # These have handlers of their own, which write addresses as they come.
        "django": {"handlers": []},
        "django.server": {"handlers": [], "propagate": True},
        "uvicorn": {"handlers": ["stderr"], "propagate": False},
        "uvicorn.access": {"handlers": [], "propagate": False},  # none: also guests' pages have secret addresses
    },
}

if PRODUCTION:
    production.check(globals())
