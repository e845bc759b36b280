"""`docker compose` for a host without Docker, for as much as docx/deployment.md uses of it.

Reads docker-compose.yml and .env as they stand and runs the services' own commands with the real
programs: PostgreSQL, MinIO, Redis, Caddy, and the `.venv` of this checkout for the project's image.
For tests and for trying the runbook, never to serve anyone. `file.py` reads, and `services.py`
runs.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.lib.processes import DiedError, Processes, StoppedError
from scripts.lib.setup import fail, require_posix, say
from tests.compose_host.file import Service, read_compose, read_env
from tests.compose_host.services import Host


def main() -> int:
    """Return the exit status, as `docker compose` would."""
    require_posix()
    options = _options()
    project = Path(options.file).resolve().parent
    env_file = Path(options.env_file or project / ".env")
    if options.env_file and not env_file.exists():
        fail(f"couldn't find env file: {env_file}")
    variables = (read_env(env_file) if env_file.exists() else {}) | os.environ
    services = read_compose(Path(options.file), variables)
    active = {*options.profile, *variables.get("COMPOSE_PROFILES", "").split(",")}
    processes = Processes()
    state = Path(options.state or project / "var" / "compose_host").resolve()
    commands = Commands(processes, Host(processes, project, state, services), active)
    try:
        status: int = getattr(commands, options.command)(options)
        return status
    except StoppedError:
        return 130
    except DiedError as death:
        say(str(death))
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="docker compose",
        description="Run docker-compose.yml without Docker, on this host, for tests.",
    )
    parser.add_argument("-f", "--file", default="docker-compose.yml")
    parser.add_argument("--env-file", metavar="FILE", help=".env beside the compose file")
    parser.add_argument("--profile", action="append", default=[])
    parser.add_argument("--state", metavar="DIR", help="data, logs and process ids; in var/")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, *, several: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name)
        if several:
            added.add_argument("services", nargs="*", metavar="SERVICE")
        else:
            added.add_argument("-T", "--no-TTY", action="store_true")
            added.add_argument("-e", "--env", action="append", default=[], metavar="NAME=VALUE")
            added.add_argument("service", metavar="SERVICE")
            added.add_argument("arguments", nargs=argparse.REMAINDER, metavar="COMMAND")
        return added

    up = command("up")
    up.add_argument("-d", "--detach", action="store_true")
    up.add_argument("--wait", action="store_true")
    up.add_argument("--build", action="store_true")
    up.add_argument("--no-deps", action="store_true")
    up.add_argument("--force-recreate", action="store_true")
    down = command("down")
    down.add_argument("-v", "--volumes", action="store_true")
    command("kill").add_argument("-s", "--signal", default="SIGKILL")
    for name in ("build", "stop", "restart", "ps", "logs", "config"):
        command(name)
    command("exec", several=False)
    run = command("run", several=False)
    run.add_argument("--rm", action="store_true")
    run.add_argument("--no-deps", action="store_true")
    return parser.parse_args()


class Commands:
    """One method for each command; each returns the exit status."""

    def __init__(self, processes: Processes, host: Host, active: set[str]) -> None:
        self._processes, self._host, self._active = processes, host, active

    def _named(self, names: Iterable[str]) -> list[Service]:
        """Return the services named; without names, all that the active profiles have."""
        services = self._host.services
        if unknown := [name for name in names if name not in services]:
            fail(f"no such service: {unknown[0]}")
        return [services[name] for name in names] or [
            each
            for each in services.values()
            if not each.profiles or self._active.intersection(each.profiles)
        ]

    def _in_order(self, services: Iterable[Service], *, deps: bool = True) -> list[Service]:
        """Return the services, each after what it depends on."""
        ordered: list[Service] = []

        def add(service: Service) -> None:
            if service not in ordered:
                for name in service.depends_on if deps else ():
                    add(self._host.services[name])
                if service not in ordered:
                    ordered.append(service)

        for each in services:
            add(each)
        return ordered

    def up(self, options: argparse.Namespace) -> int:
        if options.build:
            self._host.build()
        services = self._in_order(self._named(options.services), deps=not options.no_deps)
        self._start(services, anew=options.force_recreate)
        if options.detach and not options.wait:
            return 0
        stay = [each for each in services if not self._ends(each)]
        for service in stay:
            self._host.wait_healthy(service)
            say(f"{service.name}: healthy")
        return 0 if options.detach or options.wait else self._stay(stay)

    def _ends(self, service: Service) -> bool:
        """Say whether a service is to end by itself: others wait for its success."""
        others = self._host.services.values()
        completed = "service_completed_successfully"
        return any(each.depends_on.get(service.name) == completed for each in others)

    def _start(self, services: list[Service], *, anew: bool = False) -> None:
        # As Docker Compose does: what is outdated ends first, before anything is started.
        self._stop([each for each in services if self._is_outdated(each, anew=anew)])
        for service in services:
            for name, condition in service.depends_on.items():
                if condition == "service_healthy" and self._host.services[name] in services:
                    self._host.wait_healthy(self._host.services[name])
            if self._ends(service):
                self._host.run_once(service)
                continue
            if self._host.is_running(service):
                continue
            self._host.start(service)
            say(f"{service.name}: started")

    def _is_outdated(self, service: Service, *, anew: bool) -> bool:
        process = self._host.process(service)
        if process is None or not process.is_alive():
            return False
        return anew or process.config != self._host.config(service)

    def _stay(self, services: list[Service]) -> int:
        """Stay until Ctrl-C or SIGTERM, or until one ends that nobody has stopped."""

        def died() -> list[Service]:
            return [each for each in services if self._has_died(each)]

        status = 0
        try:
            self._processes.wait_for(lambda: bool(died()))
            say(f"The service {died()[0].name} has ended by itself.")
            status = 1
        except StoppedError:
            pass
        self._stop(services)
        return status

    def _has_died(self, service: Service) -> bool:
        process = self._host.process(service)
        return process is not None and not process.is_alive()

    def _stop(self, services: Iterable[Service]) -> None:
        for service in reversed(self._in_order(services, deps=False)):
            self._host.stop(service)

    def _running(self, names: Iterable[str]) -> list[Service]:
        every = self._named(names) if names else self._host.services.values()
        return [each for each in self._in_order(every) if self._host.is_running(each)]

    def stop(self, options: argparse.Namespace) -> int:
        named = self._named(options.services) if options.services else None
        running = self._running(())
        self._stop([each for each in running if named is None or each in named])
        return 0

    def restart(self, options: argparse.Namespace) -> int:
        services = self._in_order(self._named(options.services), deps=False)
        services = [each for each in services if not self._ends(each)]
        self._stop(services)
        for service in services:
            self._host.start(service)
        return 0

    def kill(self, options: argparse.Namespace) -> int:
        name = options.signal.upper()
        number = signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
        named = self._named(options.services) if options.services else None
        for service in reversed(self._running(())):
            if named is None or service in named:
                self._host.kill(service, number)
        return 0

    def down(self, options: argparse.Namespace) -> int:
        self._stop(self._running(()))
        self._host.forget(volumes=options.volumes)
        return 0

    def build(self, options: argparse.Namespace) -> int:
        self._host.build()
        return 0

    def ps(self, options: argparse.Namespace) -> int:
        for service in self._running(options.services):
            process = self._host.process(service)
            health = "healthy" if self._host.is_healthy(service) else "unhealthy"
            ports = (
                f"127.0.0.1:{self._host.port(service, each.container)}->{each.container}/tcp"
                for each in service.ports
            )
            pid = process.pid if process else ""
            sys.stdout.write(f"{service.name}\tpid {pid}\t{health}\t{', '.join(ports)}\n")
        return 0

    def logs(self, options: argparse.Namespace) -> int:
        for service in self._named(options.services):
            if self._host.log(service).exists():
                for line in self._host.log(service).read_text(errors="replace").splitlines():
                    sys.stdout.write(f"{service.name} | {line}\n")
        return 0

    def config(self, options: argparse.Namespace) -> int:
        for service in self._named(options.services):
            sys.stdout.write(f"{service.name}: {service.image}\n")
        return 0

    def exec(self, options: argparse.Namespace) -> int:
        (service,) = self._named([options.service])
        if not self._host.is_running(service):
            fail(f'service "{service.name}" is not running')
        if any(re.search(r"\bkill\b.*\b1\b", each) for each in options.arguments):
            fail(f"Process 1 is this host's own; use: kill -s HUP {service.name}")
        return self._run(service, options)

    def run(self, options: argparse.Namespace) -> int:
        (service,) = self._named([options.service])
        if not options.no_deps:
            self._start(self._in_order([service])[:-1])
            for name in service.depends_on:
                if not self._ends(self._host.services[name]):
                    self._host.wait_healthy(self._host.services[name])
        return self._run(service, options)

    def _run(self, service: Service, options: argparse.Namespace) -> int:
        added = dict(each.split("=", 1) for each in options.env)
        environment = self._host.environment(service, added)
        command = options.arguments or service.command
        process = self._host.popen(service, command, environment=environment)
        try:
            return self._processes.wait_for_end(process)
        except StoppedError:
            process.terminate()
            process.wait()
            raise


if __name__ == "__main__":
    sys.exit(main())
