"""ASGI entry: pages over HTTP, live updates over a WebSocket at /live/."""

import os

from portal.serving import Pages

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
pages = Pages()

from channels.auth import AuthMiddlewareStack  # noqa: E402  (models must be loaded first)
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import path  # noqa: E402

from portal.live.consumers import LiveConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter([path("live/", LiveConsumer.as_asgi())]))
        ),
    }
)
