"""Settings of the portal. Everything a site changes comes from the environment (or a .env file beside manage.py);
what is wrong is refused at start with a sentence that says what to set."""

from __future__ import annotations

import secrets
import warnings
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from portal import postgres
from portal.web import packed

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

# What a run leaves behind (database, secret key, mail, uploads, sandbox); never part of the repository.
VAR_DIR = Path(env("PORTAL_VAR", default=str(BASE_DIR / "var")))

# DEMO shows demo logins and a mailbox; it must never be on where real people work.
DEMO = env.bool("PORTAL_DEMO", default=False)
DEBUG = env.bool("DEBUG", default=False)
if DEMO and env.bool("PORTAL_PRODUCTION", default=False):
    raise ImproperlyConfigured("PORTAL_DEMO and PORTAL_PRODUCTION are both on: unset PORTAL_DEMO.")


def _secret_key() -> str:
    """SECRET_KEY from the environment, else one made at the first start and kept in var/."""
    if key := env("SECRET_KEY", default=""):
        return key
    path = VAR_DIR / "secret-key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text().strip()


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
if env.bool("PORTAL_PRODUCTION", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 31_536_000

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.mfa",
    "channels",
    "csp",
    "django_htmx",
    "portal.apps.PortalConfig",
    "portal.people",
    "portal.events",
    "portal.live",
    "portal.post",
    "portal.web",
    "allocations",
    "accounting",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Pages are compressed, too: tokens in forms are masked anew each time and the length is padded, against BREACH.
    "django.middleware.gzip.GZipMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.web.middleware.KoreanFirstLocaleMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
WSGI_APPLICATION = "portal.wsgi.application"
# `i18n` is ours in Django's place, on purpose.
SILENCED_SYSTEM_CHECKS = ["templates.W003"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {"i18n": "portal.web.templatetags.plain_texts"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.web.context.portal",
            ],
        },
    },
]

DATABASES = {"default": environ.Env.db_url_config(env("DATABASE_URL", default="") or postgres.url())}
# The web server's threads stay (portal/serving.py), so each keeps its connection; one that broke is made anew.
DATABASES["default"] |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Counts of tries to sign in and of questions to the API, by process: a flood of keys must not push them out.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}

AUTH_USER_MODEL = "people.User"
AUTHENTICATION_BACKENDS = ["portal.people.backend.PortalBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "portal.post.accounts.AccountAdapter"
ACCOUNT_FORMS = {"login": "portal.people.sign_in.LoginForm"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_SIGNUP_FORM_CLASS = "portal.people.forms.SignupForm"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
# A code typed into the page that asked for it: no second tab, and it works when mail is read on the phone.
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = True
ACCOUNT_LOGOUT_REDIRECT_URL = "home"
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""

LANGUAGE_CODE = "ko"
LANGUAGES = [("ko", _("Korean")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "portal" / "locale"]
TIME_ZONE = "Asia/Seoul"
USE_I18N = USE_TZ = True
USE_THOUSAND_SEPARATOR = False
FORMAT_MODULE_PATH = ["portal.web.formats"]

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Packed by `manage.py packstatic` (part of `make install`); while they are older than the sources, those are served.
STATIC_PACKED = not DEBUG and packed.is_current(BASE_DIR / "static", STATIC_ROOT)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "portal.web.storage.PackedStorage"
        if STATIC_PACKED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not STATIC_PACKED
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
warnings.filterwarnings("ignore", message="No directory at", category=UserWarning)
MEDIA_ROOT = VAR_DIR / "uploads"
# Attachments are served by a view that checks who may read them; there is no media URL.
FILE_UPLOAD_PERMISSIONS = 0o600
ATTACHMENT_MAX_BYTES = 20 * 1024 * 1024

# Where people reach the portal: what the links in mails start with.
PORTAL_URL = env("PORTAL_URL", default="http://localhost:8000").rstrip("/")
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="portal@pohang-ai.example")
# A mail server that does not answer must not hold the page that sends.
EMAIL_TIMEOUT = 10
if env("EMAIL_URL", default=""):
    vars().update(env.email_url("EMAIL_URL"))
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = VAR_DIR / "mail"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}
SECURE_REFERRER_POLICY = "same-origin"
CSRF_FAILURE_VIEW = "portal.web.session.stale_form"
SESSION_COOKIE_HTTPONLY = True

# --- Slurm: read by the worker only; web processes never talk to Slurm ---
SLURM_GATEWAY = env("SLURM_GATEWAY", default="auto")
if SLURM_GATEWAY not in {"auto", "commands", "native", "none"}:
    raise ImproperlyConfigured("SLURM_GATEWAY must be auto, commands, native or none.")
SLURM_COMMAND_PREFIX = env.list("SLURM_COMMAND_PREFIX", default=[])
SLURM_CLUSTER = env("SLURM_CLUSTER", default="pohang")
# Everything the portal does in Slurm lies below this account.
SLURM_ROOT_ACCOUNT = env("SLURM_ROOT_ACCOUNT", default="paic")
# Where no worker is attached, the reason to show (set by whoever starts the portal without a cluster).
SLURM_ABSENT_REASON = env("SLURM_ABSENT_REASON", default="")
WORKER_TICK_SECONDS = env.int("WORKER_TICK_SECONDS", default=5)
WORKER_INGEST_SECONDS = env.int("WORKER_INGEST_SECONDS", default=10)
# From this day of the next month on a month's statements are closed: until then late reports are waited for.
STATEMENT_CLOSE_DAY = env.int("STATEMENT_CLOSE_DAY", default=5)
if not 1 <= STATEMENT_CLOSE_DAY <= 28:
    raise ImproperlyConfigured("STATEMENT_CLOSE_DAY must be a day from 1 to 28.")
# How many days after its end a refund of a job may be asked for.
REFUND_REQUEST_DAYS = env.int("REFUND_REQUEST_DAYS", default=30)
# Job rows older than so many days are dropped every night, their usage per day stays sealed. None: never.
USAGE_KEEP_DAYS = env.int("USAGE_KEEP_DAYS", default=None)
if USAGE_KEEP_DAYS is not None and USAGE_KEEP_DAYS < 70:
    raise ImproperlyConfigured("USAGE_KEEP_DAYS must be at least 70: what is younger is still read again.")
# From which share of the installed GPU time on promised hours of a month are shown as too many, in per cent.
PROMISED_WARNING_PERCENT = env.int("PROMISED_WARNING_PERCENT", default=90)
# A worker under test kills itself at the named point of apply(); see allocations/provisioning/apply.py.
CRASH_POINT = env("PORTAL_CRASH_POINT", default="")
if CRASH_POINT and env.bool("PORTAL_PRODUCTION", default=False):
    raise ImproperlyConfigured("PORTAL_CRASH_POINT is for tests only: unset it.")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
}
