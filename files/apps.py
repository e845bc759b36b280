"""The app's place in Django."""

from django.apps import AppConfig


class FilesConfig(AppConfig):
    name = "files"
    verbose_name = "Remote Drive"

    def ready(self) -> None:
        from files import deploy_checks  # noqa: F401
        from files.exceptions import DriveError
        from remotedrive.http import problems

        for error in DriveError.__subclasses__():
            if hasattr(error, "status"):
                problem = problems.Problem(error.status, error.title, error.explanation)
                problems.register(error.code, problem)
