"""Settings: everything a deployment may change is an environment variable read here, with a default that is safe.

The demo needs none of them. `docs/deploy.md` lists them; production sets at least CSBOX_SECRET_KEY,
CSBOX_ALLOWED_HOSTS, CSBOX_HTTPS=1 and DATABASE_URL.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Any

from csbox.environment import database_from_url, flag, items, number, secret_file, text

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(text("CSBOX_DATA_DIR", str(BASE_DIR / ".data"))).absolute()
TESTING = "pytest" in sys.modules

DEBUG = flag("CSBOX_DEBUG")
SECRET_KEY = text("CSBOX_SECRET_KEY") or secret_file(DATA_DIR / "secret_key", lambda: secrets.token_urlsafe(64))
SECRET_KEY_FALLBACKS = items("CSBOX_SECRET_KEY_FALLBACKS")

# --- Who may ask, and how -------------------------------------------------------------------------------------------
LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = items("CSBOX_ALLOWED_HOSTS") or LOCAL_HOSTS
CSRF_TRUSTED_ORIGINS = items("CSBOX_CSRF_TRUSTED_ORIGINS")
# HTTPS is one switch, because half of it is no protection. The demo serves plain HTTP on the loopback address only.
HTTPS = flag("CSBOX_HTTPS")
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = number("CSBOX_HSTS_SECONDS", 31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if flag("CSBOX_BEHIND_PROXY") else None
# Load balancers ask over plain HTTP; an SDK that is redirected loses its messages without a word.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^(beacon/)?v1/", r"^sourceConfig", r"^userlist/", r"^posthog/"]
SECURE_REDIRECT_EXEMPT += [r"^(batch|capture|track|e|i/v0/e|flags|decide)/?$"]
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = number("CSBOX_SESSION_SECONDS", 14 * 86_400)
X_FRAME_OPTIONS = "DENY"
# Django 6 reads this setting itself; until then core.csp does.
SECURE_CSP = {
    "default-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
}

INSTALLED_APPS = [
    "csbox",
    "web",
    "integrations",
    "alerts",
    "health",
    "segments",
    "usage",
    "accounts",
    "core",
    "csbox.apps.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_q",
    "axes",
]

MIDDLEWARE = [
    "core.logs.RequestIdMiddleware",
    "core.api.edge.ApiEdgeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "core.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "web.signed_out.SignedOutMiddleware",
    "web.time_zone.TimeZoneMiddleware",
    "axes.middleware.AxesMiddleware",  # last, as its documentation asks
]

ROOT_URLCONF = "csbox.urls"
ASGI_APPLICATION = "csbox.asgi.application"
WSGI_APPLICATION = "csbox.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database -------------------------------------------------------------------------------------------------------
DATABASE_URL = text("DATABASE_URL")
DATABASE_IS_OURS = not DATABASE_URL
# A worker's statement must end before its task is given up (Q_CLUSTER["timeout"]); a page's long before that.
WORKER_STATEMENT_TIMEOUT_MS = number("CSBOX_WORKER_STATEMENT_TIMEOUT_MS", 270_000)
IS_WORKER = flag("CSBOX_IS_WORKER")
_statement_timeout = WORKER_STATEMENT_TIMEOUT_MS if IS_WORKER else number("CSBOX_STATEMENT_TIMEOUT_MS", 0)
_options: dict[str, Any] = {"application_name": "csbox-worker" if IS_WORKER else "csbox"}
# Seconds to connect, and milliseconds for which the network may swallow what is sent. Those who send messages wait five
# seconds for an answer, which must be time enough to keep a message on the disk instead.
_options |= dict(zip(("connect_timeout", "tcp_user_timeout"), (10, 30_000) if IS_WORKER else (3, 5_000), strict=True))
_options |= {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
# Compiling statements took PostgreSQL longer than running them: minutes for the scoring of health (measured).
_options["options"] = "-c jit=off" + (f" -c statement_timeout={_statement_timeout}" if _statement_timeout else "")
# An evaluation joins and sorts all accounts, which with PostgreSQL's 4 MB goes by way of temporary files: a sixth more
# work of the processor at 100,000 accounts (measured).
if IS_WORKER and (_memory := number("CSBOX_WORKER_MEMORY_MB", 32)):
    _options["options"] += f" -c work_mem={_memory}MB"
_database: dict[str, Any]
if DATABASE_IS_OURS:
    _database = {"ENGINE": "core.postgres", "NAME": "csbox", "OPTIONS": {"data_dir": str(DATA_DIR / "postgres")}}
else:
    _database = database_from_url(DATABASE_URL)
DATABASES = {
    "default": _database
    | {
        "OPTIONS": _options | _database["OPTIONS"],
        "CONN_MAX_AGE": number("CSBOX_CONN_MAX_AGE", 60),
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The worker's own figures (qinfo, Stat) go through the cache, so it must be shared between processes.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    if TESTING
    else {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "csbox_cache"}
}

# --- Log-in ---------------------------------------------------------------------------------------------------------
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
_slow_hasher = "django.contrib.auth.hashers.Argon2PasswordHasher"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher" if TESTING else _slow_hasher,
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
_validators = "django.contrib.auth.password_validation."
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": _validators + "UserAttributeSimilarityValidator"},
    {"NAME": _validators + "MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": _validators + "CommonPasswordValidator"},
    {"NAME": _validators + "NumericPasswordValidator"},
]
AXES_ENABLED = not TESTING
AXES_FAILURE_LIMIT = number("CSBOX_LOGIN_FAILURES", 5)
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "web.views.refused.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False

# --- E-mail ---------------------------------------------------------------------------------------------------------
EMAIL_HOST = text("CSBOX_EMAIL_HOST")
# How the connection is encrypted: starttls (usually port 587), tls (465), none for a relay on this very machine.
EMAIL_SECURITY = text("CSBOX_EMAIL_TLS", "starttls").lower()
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL_SECURITY == "starttls", EMAIL_SECURITY == "tls"
EMAIL_PORT = number("CSBOX_EMAIL_PORT", {"starttls": 587, "tls": 465}.get(EMAIL_SECURITY, 25))
EMAIL_HOST_USER = text("CSBOX_EMAIL_USER")
EMAIL_HOST_PASSWORD = text("CSBOX_EMAIL_PASSWORD")
DEFAULT_FROM_EMAIL = SERVER_EMAIL = text("CSBOX_EMAIL_FROM", "csbox@localhost")
EMAIL_TIMEOUT = 15
# Where people reach csbox: links in messages begin with it.
_host = ALLOWED_HOSTS[0].lstrip("*.") or "localhost"
_own = f"https://{_host}" if HTTPS else f"http://{_host}:{number('CSBOX_PORT', 8000)}"
PUBLIC_URL = text("CSBOX_URL", _own).rstrip("/")

# --- Background work ------------------------------------------------------------------------------------------------
REDIS_URL = text("REDIS_URL")
WORKERS = number("CSBOX_WORKERS", 2)
# retry counts from the moment a task is fetched, not from its start: core.checks refuses one that is too small.
Q_CLUSTER: dict[str, Any] = {
    "name": "csbox",
    "workers": WORKERS,
    "timeout": 300,
    "retry": 1200,
    "max_attempts": 3,
    "queue_limit": WORKERS,
    "bulk": 1,
    "save_limit": 0,
    "catch_up": False,
    "recycle": 200,
    "max_rss": 400_000,
    "poll": 0.5,
    "label": "Background work",
} | ({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"})
# Whole months for which events are kept besides this one; 0 keeps them for good.
EVENT_MONTHS = number("CSBOX_EVENT_MONTHS", 0)
# What is woken when something new was stored: the only task that the apps below csbox name.
EVALUATION = "csbox.tasks.evaluate_new_data"
Q_CLUSTER["sync"] = TESTING and flag("CSBOX_Q_SYNC")

# --- API ------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "core.api.access.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["core.api.access.IsMember"],
    "DEFAULT_PARSER_CLASSES": ["core.api.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["core.api.filters.StrictFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "core.api.pagination.KeysetPagination",
    "DEFAULT_THROTTLE_CLASSES": ["core.api.access.ApiThrottle"],
    "DEFAULT_SCHEMA_CLASS": "core.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "core.api.problems.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    # Without a proxy of ours, X-Forwarded-For is whatever the sender likes.
    "NUM_PROXIES": 1 if SECURE_PROXY_SSL_HEADER else 0,
}
API_BODY_BYTES = number("CSBOX_API_BODY_BYTES", 1_048_576)
API_RATES = {"user": text("CSBOX_API_RATE", "1200/min"), "anonymous": text("CSBOX_API_ANONYMOUS_RATE", "60/min")}
# Requests a second that one write key may send to one web process; 0 for no limit.
SPOOL_DIR = Path(text("CSBOX_SPOOL_DIR", str(DATA_DIR / "spool"))).absolute()
SPOOL_MB = number("CSBOX_SPOOL_MB", 1000)
INGEST_RATE = number("CSBOX_INGEST_RATE", 1000)
SPECTACULAR_SETTINGS = {
    "TITLE": "csbox",
    "DESCRIPTION": "Accounts, people, subscriptions and segments.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.api.schema.tell_problems",
    ],
    # Lists of choices that share a name: the schema needs one each.
    "ENUM_NAME_OVERRIDES": {
        "AttributeSubjectEnum": "accounts.models.attribute.Subject",
        "FlagEnum": [("true", "true"), ("false", "false")],
        "ImportKindEnum": "integrations.models.importing.ImportKind",
        "ImportStateEnum": "integrations.models.importing.Import.State",
        "HealthBandEnum": "health.models.Band",
        "BackTestStateEnum": "health.backtest.models.BackTest.State",
        "BandChangeCauseEnum": "health.models.BandChange.Cause",
        "OverrideBandEnum": [("good", "Good"), ("average", "Average"), ("poor", "Poor")],
        "AlertOutcomeEnum": "alerts.models.alert.Alert.Outcome",
        "TaskStateEnum": "alerts.models.task.Task.State",
        "TaskOutcomeEnum": "alerts.models.task.Task.Outcome",
        "EnrolmentStateEnum": "alerts.models.playbook.Enrolment.State",
        "StepStateEnum": "alerts.models.playbook.StepRun.State",
        "MemberSubjectEnum": [("account", "Accounts"), ("user", "Users")],
        "TraitSubjectEnum": [("account", "Account"), ("user", "User")],
    },
}

# --- Connections ----------------------------------------------------------------------------------------------------
# Only a deployment says where requests with credentials go: an address typed into a page could be anybody's.
CONNECTION_URLS = {
    "stripe": text("CSBOX_STRIPE_URL", "https://api.stripe.com"),
    "hubspot": text("CSBOX_HUBSPOT_URL", "https://api.hubapi.com"),
}
CONNECTION_RETRIES = number("CSBOX_CONNECTION_RETRIES", 3)

# --- Language, time, files ------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"  # days begin where Workspace.time_zone says; pages show times as web.time_zone says
USE_TZ = True
USE_I18N = True
USE_THOUSAND_SEPARATOR = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
# The demo serves files where the packages have them; hashed names and compression need collectstatic (`run` does it).
STATIC_FROM_APPS = TESTING or DEBUG or flag("CSBOX_STATIC_FROM_APPS") or not (STATIC_ROOT / "staticfiles.json").exists()
WHITENOISE_USE_FINDERS = STATIC_FROM_APPS
# Each client of a test would list every static file again; looked up when asked for, they cost nothing.
WHITENOISE_AUTOREFRESH = DEBUG or TESTING
_plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
_hashed = "whitenoise.storage.CompressedManifestStaticFilesStorage"
_collecting = "collectstatic" in sys.argv or "run" in sys.argv[1:2]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": DATA_DIR / "files"}},
    "staticfiles": {"BACKEND": _plain if STATIC_FROM_APPS and not _collecting else _hashed},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = number("CSBOX_UPLOAD_BYTES", 5_242_880)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
# Files that are imported: how large one may be, as it comes and unpacked, and for how many days it is kept.
IMPORT_BYTES = number("CSBOX_IMPORT_BYTES", 200 * 1024 * 1024)
IMPORT_UNPACKED_BYTES = number("CSBOX_IMPORT_UNPACKED_BYTES", 1024 * 1024 * 1024)
IMPORT_DAYS = number("CSBOX_IMPORT_DAYS", 30)
# The largest file that may hang on a note.
NOTE_FILE_BYTES = number("CSBOX_NOTE_FILE_BYTES", 10 * 1024 * 1024)
# Hosts and networks inside your own that scheduled imports may ask all the same ("files.internal, 10.1.0.0/16").
FETCH_ALLOWED = items("CSBOX_FETCH_ALLOWED")
# What scheduled imports say who they are with: CSBOX_CREDENTIAL_NAME is the credential “name”.
_CREDENTIAL = "CSBOX_CREDENTIAL_"
FETCH_SECRETS = {
    name.removeprefix(_CREDENTIAL).lower(): value.strip()
    for name, value in os.environ.items()
    if name.startswith(_CREDENTIAL)
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "core.logs.JsonFormatter"}, "plain": {"()": "core.logs.PlainFormatter"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": text("CSBOX_LOG_FORMAT", "plain" if DEBUG or sys.stderr.isatty() else "json"),
        }
    },
    "root": {"handlers": ["stderr"], "level": text("CSBOX_LOG_LEVEL", "INFO")},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django-q": {"handlers": [], "propagate": True, "level": "WARNING"},
        "axes": {"level": "WARNING"},
        "sqlglot": {"level": "ERROR"},  # what it cannot read is told to whoever wrote it
    },
}
