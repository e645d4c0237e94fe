from django.apps import AppConfig


class AccountingConfig(AppConfig):
    name = "accounting"

    def ready(self) -> None:
        from accounting import phrases
        from portal.events.phrases import register

        register(phrases.PHRASES)
