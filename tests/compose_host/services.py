"""Runs the services of docker-compose.yml on this host, for `tests/compose_host`.

What a container is given, a process is given here: the service's own command and environment, and
nothing of the caller's but HOME. Names of services, ports, and paths of volumes are rewritten to
what stands for them on the host; `_rewrite` is all of it. Nothing is restarted by itself, and a
process is ended only by the id that was noted when it was started.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib import servers
from scripts.lib.processes import DiedError, Processes, free_port
from scripts.lib.setup import PYTHON, fail, say
from tests.compose_host.file import Image, Service

HEALTH_SECONDS = 120
_CHECK_SECONDS = 0.3
_IMAGE_ENVIRONMENT = {"caddy": {"XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/config"}}
_IMAGE_COMMAND = {"caddy": ["caddy", "run", "--config", "/etc/caddy/Caddyfile"]}
_STOP_SIGNAL = {"postgres": signal.SIGINT}
"""The defaults from the Dockerfiles of third-party images."""


@dataclass(frozen=True)
class Process:
    """A service's process, told from a later one of the same id by when it was started."""

    pid: int
    started: str
    config: str

    def is_alive(self) -> bool:
        """Say whether it runs; one that has ended and was not waited for does not."""
        return _started(self.pid) == self.started


class Host:
    """The services of one project, with all that they keep in the folder `state`."""

    def __init__(
        self, processes: Processes, project: Path, state: Path, services: dict[str, Service]
    ) -> None:
        self._processes, self._project, self._folder = processes, project, state
        self.services = services
        self._image = state / "image"
        if not state.exists():
            state.mkdir(parents=True)
            # PostgreSQL runs as another user, who must have access to its data.
            state.chmod(0o711)

    # State

    def _read(self, name: str) -> dict[str, Any]:
        with contextlib.suppress(FileNotFoundError):
            content: dict[str, Any] = json.loads((self._folder / name).read_text(encoding="utf-8"))
            return content
        return {}

    def _write(self, name: str, content: dict[str, Any]) -> None:
        temporary = self._folder / f".{name}"
        temporary.write_text(json.dumps(content), encoding="utf-8")
        os.replace(temporary, self._folder / name)

    def process(self, service: Service) -> Process | None:
        """Return the process of a service that was started and not stopped since."""
        noted = self._read("processes.json").get(service.name)
        return Process(**noted) if noted else None

    def is_running(self, service: Service) -> bool:
        """Say whether the service's process is alive."""
        process = self.process(service)
        return process is not None and process.is_alive()

    def _note(self, service: Service, process: Process | None) -> None:
        noted = self._read("processes.json")
        if process is None:
            noted.pop(service.name, None)
        else:
            noted[service.name] = vars(process)
        self._write("processes.json", noted)

    def log(self, service: Service) -> Path:
        """Return the file with what the service has printed."""
        folder = self._folder / "logs"
        folder.mkdir(exist_ok=True)
        return folder / f"{service.name}.log"

    def port(self, service: Service, container: int) -> int:
        """Return the host's port for one of a container: the published one, or a free one."""
        for port in service.ports:
            if port.container == container and port.host is not None:
                return port.host
        chosen, name = self._read("ports.json"), f"{service.name}:{container}"
        if name not in chosen:
            chosen[name] = free_port()
            self._write("ports.json", chosen)
        return int(chosen[name])

    # Rewriting

    def _rewrite(self, text: str, service: Service, *, own_ports: bool = True) -> str:
        for other in self.services.values():
            for port in other.ports:
                here = f"127.0.0.1:{self.port(other, port.container)}"
                text = re.sub(rf"\b{other.name}:{port.container}\b", here, text)
            if other.address:
                text = re.sub(rf"(?<![\d.]){re.escape(other.address)}(?![\d.])", "127.0.0.1", text)
        for target, source in service.mounts.items():
            folder = str(self._mounted(source)).replace("\\", r"\\")
            text = re.sub(rf"(?<![\w./-]){re.escape(target)}(?=/|$)", folder, text)
        if own_ports:
            for port in service.ports:
                here = str(self.port(service, port.container))
                pattern = rf"(?<![\w.])(?:127\.0\.0\.1|0\.0\.0\.0)?:{port.container}\b"
                text = re.sub(pattern, f"127.0.0.1:{here}", text)
                text = here if text == str(port.container) else text
            text = "127.0.0.1" if text == "0.0.0.0" else text
        return text

    def _mounted(self, source: str) -> Path:
        if source.startswith((".", "/")):
            return self._project / source
        return self._folder / "volumes" / source

    def environment(
        self, service: Service, added: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Return the environment of a process of the service, with the additions."""
        kind = _kind(service)
        given = _IMAGE_ENVIRONMENT.get(kind, {}) | service.environment | dict(added or {})
        environment = {
            name: self._rewrite(value, service, own_ports=False) for name, value in given.items()
        }
        path = os.defpath
        if service.is_ours:
            path = f"{PYTHON.parent}:{path}"
        if kind == "postgres":
            path = f"{servers.postgresql_programs(self._processes)}:{path}"
            environment["PGHOST"] = self._socket_folder()
            environment["PGPORT"] = str(self.port(service, 5432))
        return {"PATH": path, "HOME": os.environ.get("HOME", "/")} | environment

    def _socket_folder(self) -> str:
        """Return where PostgreSQL has its socket; a path in `state` may be too long for one."""
        noted = self._read("sockets.json")
        if not Path(noted.get("folder", "")).is_absolute() or not Path(noted["folder"]).exists():
            noted = {"folder": tempfile.mkdtemp(prefix="remotedrive-")}
            if os.geteuid() == 0:
                shutil.chown(noted["folder"], "postgres")
            self._write("sockets.json", noted)
        return str(noted["folder"])

    def build(self) -> None:
        """Rebuild the files of the project's image from the Dockerfile."""
        Image().build(self._image)

    def popen(
        self, service: Service, command: Sequence[str], **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start `command`, as written for the container, as the service would."""
        if service.is_ours and not self._image.exists():
            self.build()
        return subprocess.Popen(
            [self._rewrite(part, service) for part in command],
            cwd=self._image if service.is_ours else self._folder,
            env=options.pop("environment", None) or self.environment(service),
            **options,
        )

    # Starting and ending

    def start(self, service: Service) -> subprocess.Popen[bytes]:
        """Start the service's command in the background, with its output in `log()`."""
        for source in service.mounts.values():
            folder = self._mounted(source)
            if not folder.exists():
                folder.mkdir(parents=True)
        command, user = self._command(service)
        with self.log(service).open("ab") as log:
            process = self.popen(
                service,
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        started = _started(process.pid)
        self._note(service, Process(process.pid, started or "", self.config(service)))
        return process

    def config(self, service: Service) -> str:
        """Return a digest of everything whose change requires restarting the service."""
        digest = hashlib.sha256(repr((service.command, self.environment(service))).encode())
        if service.is_ours:
            for path in sorted(self._image.rglob("*")):
                digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()

    def _command(self, service: Service) -> tuple[list[str], str | None]:
        """Return what the image's entry point makes of the command, and who runs it."""
        kind = _kind(service)
        command = service.command or _IMAGE_COMMAND.get(kind, [])
        if kind == "postgres":
            options = {"listen_addresses": "127.0.0.1"}
            options["unix_socket_directories"] = self._socket_folder()
            user = "postgres" if os.geteuid() == 0 else None
            data = self._make_database(service, user)
            command = [*command, "-D", data]
            return [*command, *(f"--{name}={value}" for name, value in options.items())], user
        if kind == "minio":
            return [str(servers.minio_program(self._processes)), *command], None
        if kind == "redis":
            servers.ensure_program(self._processes, "redis-server")
            return [*command, "--bind", "127.0.0.1"], None
        if kind == "caddy":
            return [*command[:-1], str(self._caddyfile(service)), "--adapter", "caddyfile"], None
        return command, None

    def _make_database(self, service: Service, user: str | None) -> str:
        """Do once what the entry point of the image postgres does; return the data folder."""
        data = Path(self._rewrite("/var/lib/postgresql/data", service))
        # In a new container an old process id says nothing; here it may be a zombie's.
        for lock in [data / "postmaster.pid", *Path(self._socket_folder()).iterdir()]:
            lock.unlink(missing_ok=True)
        if (data / "PG_VERSION").exists():
            return str(data)
        given = service.environment
        with tempfile.TemporaryDirectory(prefix="remotedrive-") as folder:
            secret, statement = Path(folder, "password"), Path(folder, "statement")
            secret.write_text(given["POSTGRES_PASSWORD"], encoding="utf-8")
            statement.write_text(f'CREATE DATABASE "{given["POSTGRES_DB"]}"\n', encoding="utf-8")
            if user is not None:
                for path in (data, Path(folder), secret):
                    shutil.chown(path, user)
            initdb = ["initdb", f"--pgdata={data}", f"--pwfile={secret}", "--encoding=UTF8"]
            initdb += [f"--username={given['POSTGRES_USER']}", "--auth-local=trust"]
            self._once(service, [*initdb, "--auth-host=scram-sha-256"], user=user)
            with statement.open("rb") as text:
                single = ["postgres", "--single", "-D", str(data), "postgres"]
                self._once(service, single, user=user, stdin=text)
        return str(data)

    def _once(
        self, service: Service, command: list[str], *, user: str | None, **options: Any
    ) -> None:
        options |= {"user": user, "group": user, "extra_groups": None if user is None else []}
        with self.log(service).open("ab") as log:
            process = self.popen(service, command, stdout=log, stderr=log, **options)
        if self._processes.wait_for_end(process) != 0:
            fail(f"{command[0]} failed; see {self.log(service)}.")

    def _caddyfile(self, service: Service) -> Path:
        """Return a copy of the Caddyfile, for this host's ports."""
        text = Path(self._rewrite("/etc/caddy/Caddyfile", service)).read_text(encoding="utf-8")
        ports = f"\thttp_port {self.port(service, 80)}\n\thttps_port {self.port(service, 443)}\n"
        copy = self._folder / "Caddyfile"
        text = self._rewrite(text, service, own_ports=False)
        copy.write_text(text.replace("\n{\n", "\n{\n" + ports, 1), encoding="utf-8")
        return copy

    def wait_healthy(self, service: Service) -> None:
        """Wait until the service's health check passes; raise DiedError if it fails."""
        checked = 0.0

        def passed() -> bool:
            nonlocal checked
            if not self.is_running(service):
                raise DiedError(
                    f"The service {service.name} has ended by itself:\n{self._last(service)}"
                )
            if time.monotonic() < checked + _CHECK_SECONDS:
                return False
            healthy = self.is_healthy(service)
            checked = time.monotonic()
            return healthy

        what = f"The service {service.name} is not healthy: {' '.join(service.healthcheck)}"
        self._processes.wait_for(passed, what=what, seconds=HEALTH_SECONDS)

    def is_healthy(self, service: Service) -> bool:
        """Run the service's health check, if it has one."""
        if not service.healthcheck:
            return True
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        check = self.popen(service, service.healthcheck, stdin=subprocess.DEVNULL, **quiet)
        try:
            return check.wait(10) == 0
        except subprocess.TimeoutExpired:
            check.kill()
            return False

    def run_once(self, service: Service) -> None:
        """Run a one-shot service; raise DiedError unless it succeeds."""
        say(f"{service.name}: runs")
        process = self.start(service)
        status = self._processes.wait_for_end(process)
        self._note(service, None)
        if status != 0:
            raise DiedError(
                f'service "{service.name}" didn\'t complete successfully: exit {status}\n'
                f"{self._last(service)}"
            )

    def _last(self, service: Service) -> str:
        lines = self.log(service).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-20:])

    def stop(self, service: Service) -> None:
        """Stop the service; kill it after its grace period."""
        process = self.process(service)
        self._note(service, None)
        if process is None or not process.is_alive():
            return
        os.kill(process.pid, _STOP_SIGNAL.get(_kind(service), signal.SIGTERM))
        if not _ended(process, service.stop_seconds):
            _kill(process)

    def kill(self, service: Service, number: signal.Signals) -> None:
        """Send a signal to the service; SIGKILL ends all of its processes, as in a container."""
        process = self.process(service)
        if process is None or not process.is_alive():
            return
        if number != signal.SIGKILL:
            os.kill(process.pid, number)
            return
        self._note(service, None)
        _kill(process)

    def forget(self, *, volumes: bool) -> None:
        """Remove the state of the services; with `volumes` also their data."""
        for name in ("image", "logs", *(["volumes"] if volumes else [])):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        shutil.rmtree(self._read("sockets.json").get("folder", ""), ignore_errors=True)
        for name in ("ports.json", "processes.json", "sockets.json", "Caddyfile"):
            (self._folder / name).unlink(missing_ok=True)


def _kind(service: Service) -> str:
    return service.image.partition(":")[0].rpartition("/")[2]


def _started(pid: int) -> str | None:
    """Return when a process was started (proc(5), field 22); None when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    state, *rest = fields.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]


def _ended(process: Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while process.is_alive():
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _descendants(pid: int) -> Iterator[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return
    for child in text.split():
        yield int(child)
        yield from _descendants(int(child))


def _kill(process: Process) -> None:
    """Kill a process and its descendants; stop it first, so that it starts no more."""
    os.kill(process.pid, signal.SIGSTOP)
    for pid in [*_descendants(process.pid), process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _ended(process, 10)
