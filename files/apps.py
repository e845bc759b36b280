"""The app's place in Django."""

from django.apps import AppConfig


class FilesConfig(AppConfig):
    name = "files"
    verbose_name = "Remote Drive"

    def ready(self) -> None:
        from files import deploy_checks  # noqa: F401
