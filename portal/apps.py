from django.apps import AppConfig


class PortalConfig(AppConfig):
    """The shell: commands, checks and the pages that belong to no single app."""

    name = "portal"

    def ready(self) -> None:
        from portal import checks  # noqa: F401  (registers them)
