from django.apps import AppConfig


class AllocationsConfig(AppConfig):
    name = "allocations"

    def ready(self) -> None:
        from allocations import live, phrases
        from portal.events.phrases import register

        register(phrases.PHRASES)
        live.register_topics()
