from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "portal.people"

    def ready(self) -> None:
        from portal.people import adapter  # noqa: F401  (its receivers)
