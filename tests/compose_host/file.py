"""Reads docker-compose.yml, its .env and the Dockerfile, for `tests/compose_host`.

As the Compose specification says (interpolation, merge, depends_on, profiles), for as much of it
as this project's file uses; what it does not know it refuses, so that nothing is silently left out.
Starts nothing and writes nothing.
"""

from __future__ import annotations

import fnmatch
import io
import json
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dockerfile_parse import DockerfileParser  # type: ignore[import-untyped]

from scripts.lib.setup import ROOT, fail

PROJECT_IMAGE = "remotedrive"
_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:?[-?])|\})|(\w+))")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_NOT_ON_A_HOST = {
    # What keeps a container in, or is Docker's own business.
    *("build", "cap_add", "cap_drop", "logging", "read_only", "security_opt", "shm_size", "tmpfs"),
    *("mem_limit", "pull_policy", "restart", "user"),
}


@dataclass(frozen=True)
class Port:
    """A port of a container, and where the host publishes it; `host` is None when it does not."""

    container: int
    host: int | None


@dataclass(frozen=True)
class Service:
    """One service, all variables resolved. Times are seconds."""

    name: str
    image: str
    command: list[str]
    environment: dict[str, str]
    ports: list[Port]
    mounts: dict[str, str]
    """Path in the container to the name of a volume, or to a path that begins with `.` or `/`."""
    depends_on: dict[str, str]
    healthcheck: list[str]
    profiles: list[str]
    address: str | None
    """The container's fixed address on the network."""
    stop_seconds: float

    @property
    def is_ours(self) -> bool:
        """Whether it runs the image that the Dockerfile makes."""
        return self.image.partition(":")[0] == PROJECT_IMAGE


def read_env(path: Path) -> dict[str, str]:
    """Return the variables of an .env file: `NAME=value` lines, `#` begins a comment."""
    values = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, _, value = line.partition("=")
            values[name.strip()] = value.strip().strip("\"'")
    return values


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Replace `${X}`, `${X:-default}`, `${X-default}`, `${X:?message}`, `${X?message}`, `$X`, `$$`.

    Defaults may hold variables again. Ends the script with its name when one is required.
    """
    result, position = "", 0
    while match := _VARIABLE.search(text, position):
        result += text[position : match.start()]
        dollar, name, operator, bare = match.groups()
        position = match.end()
        if dollar:
            result += "$"
            continue
        value = variables.get(name or bare)
        if operator:
            end = _closing_brace(text, position)
            word, position = text[position:end], end + 1
            if value is None or (value == "" and operator.startswith(":")):
                if operator.endswith("?"):
                    fail(f"required variable {name} is missing a value: {word}")
                value = interpolate(word, variables)
        result += value or ""
    return result + text[position:]


def _closing_brace(text: str, start: int) -> int:
    depth = 1
    for position in range(start, len(text)):
        depth += (text[position] == "{") - (text[position] == "}")
        if depth == 0:
            return position
    raise ValueError(f"no closing brace: {text!r}")


def read_compose(path: Path, variables: Mapping[str, str]) -> dict[str, Service]:
    """Return the services of the file by name, in the file's order.

    Every variable of the file is looked at, those of services that will not run too.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    services = _resolve(document, variables)["services"]
    image = Image()
    return {name: _service(name, entry, image) for name, entry in services.items()}


def _resolve(node: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {name: _resolve(value, variables) for name, value in node.items()}
    if isinstance(node, list):
        return [_resolve(value, variables) for value in node]
    return interpolate(node, variables) if isinstance(node, str) else node


def _service(name: str, entry: dict[str, Any], image: Image) -> Service:
    known = {"image", "command", "environment", "ports", "volumes", "depends_on", "healthcheck"}
    known |= {"profiles", "networks", "stop_grace_period"} | _NOT_ON_A_HOST
    if unknown := set(entry) - known:
        fail(f"service {name}: compose_host does not know {', '.join(sorted(unknown))}.")
    is_ours = entry["image"].partition(":")[0] == PROJECT_IMAGE
    environment = (image.environment if is_ours else {}) | {
        key: str(value) for key, value in entry.get("environment", {}).items()
    }
    mounts = {}
    for volume in entry.get("volumes", []):
        source, target = volume.split(":")[:2]
        mounts[target] = source
    published = {}
    for port in entry.get("ports", []):
        if not port.endswith("/udp"):
            _, host, container = port.rsplit(":", 2)
            published[int(container)] = int(host)
    inner = {"postgres": [5432], "redis": [6379]}.get(entry["image"].partition(":")[0], [])
    return Service(
        name=name,
        image=entry["image"],
        command=entry.get("command") or (image.command if is_ours else []),
        environment=environment,
        ports=[Port(each, published.get(each)) for each in [*published, *inner]],
        mounts=mounts,
        depends_on={on: how["condition"] for on, how in entry.get("depends_on", {}).items()},
        healthcheck=_healthcheck(entry.get("healthcheck"), image if is_ours else None),
        profiles=entry.get("profiles", []),
        address=((entry.get("networks") or {}).get("default") or {}).get("ipv4_address"),
        stop_seconds=_seconds(entry.get("stop_grace_period", "10s")),
    )


def _healthcheck(entry: dict[str, Any] | None, image: Image | None) -> list[str]:
    if entry is None:
        return image.healthcheck if image else []
    if entry.get("disable"):
        return []
    command: list[str]
    kind, *command = entry["test"]
    if kind != "CMD":
        fail(f"compose_host does not know a health check of the kind {kind}.")
    return command


def _seconds(duration: str) -> float:
    return sum(
        int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([smh])", duration)
    )


class Image:
    """What the Dockerfile says of its last stage; the checkout is its build context."""

    def __init__(self) -> None:
        text = (ROOT / "Dockerfile").read_bytes()
        instructions = DockerfileParser(fileobj=io.BytesIO(text)).structure
        stages = [at for at, each in enumerate(instructions) if each["instruction"] == "FROM"]
        last = instructions[stages[-1] :]
        self.command: list[str] = []
        self.healthcheck: list[str] = []
        self.environment: dict[str, str] = {}
        self._copies: list[list[str]] = []
        for each in last:
            value = each["value"]
            match each["instruction"]:
                case "CMD":
                    self.command = json.loads(value)
                case "HEALTHCHECK":
                    self.healthcheck = json.loads(value.partition("CMD ")[2])
                case "ENV":
                    self.environment |= dict(pair.split("=", 1) for pair in shlex.split(value))
                case "COPY" if not value.startswith("--from="):
                    self._copies.append(value.split())
        # Where the interpreter and the requirements are is the host's business.
        self.environment.pop("PATH", None)

    def build(self, folder: Path) -> None:
        """Make `folder` what the image's working directory holds, by COPY and .dockerignore."""
        shutil.rmtree(folder, ignore_errors=True)
        for *sources, target in self._copies:
            for source in sources:
                for path in self._files(source):
                    inside = path.relative_to(ROOT / source)
                    copy = folder / target / (path.name if inside == Path() else inside)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, copy)

    def _files(self, source: str) -> list[Path]:
        start = ROOT / source
        found = [start] if start.is_file() else sorted(start.rglob("*"))
        return [path for path in found if path.is_file() and not self._is_ignored(path)]

    def _is_ignored(self, path: Path) -> bool:
        """Say what .dockerignore says: the last line that matches the file or a parent of it."""
        relative = path.relative_to(ROOT)
        names = [str(relative), *(str(each) for each in relative.parents if each.name)]
        ignored = False
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
            pattern = line.strip().removeprefix("!")
            if not pattern or pattern.startswith("#"):
                continue
            alone = pattern.removeprefix("**/")
            names_here = [Path(each).name for each in names] if alone != pattern else names
            if any(fnmatch.fnmatchcase(each, alone) for each in names_here):
                ignored = not line.startswith("!")
        return ignored
