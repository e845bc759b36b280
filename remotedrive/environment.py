"""Reads settings from the environment, and from the data folder's `env` file where it is silent.

Only `remotedrive/settings.py` uses this. A setting that is missing or malformed raises
`ImproperlyConfigured` with its name and what is wrong; no value is ever part of the message.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from remotedrive import rates
from remotedrive.rates import Rate
from remotedrive.sizes import FORM, parse_size

GROUPS = ("MINIO_", "JWT_", "OIDC_")
"""Prefixes whose settings belong together: where the environment sets one of a group, the file
gives none of it, so that no address meets another store's keys."""

_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# Segments that every client sends as they are: no ".", no "..", none empty, nothing encoded.
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*/?")
_ISSUER = re.compile(r"https?://[\w.~:/@!$&()*+,;=%\[\]-]+", re.ASCII)
_PLACEHOLDER = re.compile(
    r"(?<![a-z])(change|replace)[-_ ]?me(?![a-z])|^your[-_ ]|^<.*>$", re.IGNORECASE
)
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def read_env_file(path: Path) -> dict[str, str]:
    """Return the `NAME=value` lines of `path`; an absent file is empty. `#` begins a comment."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ImproperlyConfigured(f"{path} cannot be read: {error.strerror}") from error
    values = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ImproperlyConfigured(f"{path}, line {number}: not NAME=value")
        values[match[1]] = match[2]
    return values


def is_placeholder(secret: str) -> bool:
    """Say whether `secret` is what examples have in its place: `change-me`, `<secret>`."""
    return _PLACEHOLDER.search(secret) is not None


def _group(name: str) -> str:
    return next((prefix for prefix in GROUPS if name.startswith(prefix)), name)


class Environment:
    """Typed access to settings by name; an empty value counts as not set."""

    def __init__(self, environ: Mapping[str, str], file: Mapping[str, str]) -> None:
        given = {name: value for name, value in environ.items() if value}
        taken = {_group(name) for name in given}
        self._values = {name: value for name, value in file.items() if _group(name) not in taken}
        self._values.update(given)

    def optional(self, name: str) -> str | None:
        """Return the value of `name`, or None where it is not set."""
        return self._values.get(name) or None

    def required(self, name: str) -> str:
        """Return the value of `name`, which must be set."""
        value = self.optional(name)
        if value is None:
            raise ImproperlyConfigured(f"{name} is not set")
        return value

    def secret(self, name: str, *, at_least: int = 1) -> str:
        """Return a secret of `at_least` so many bytes of UTF-8, which is no placeholder."""
        value = self.required(name)
        if is_placeholder(value):
            raise ImproperlyConfigured(f"{name} is still a placeholder")
        if len(value.encode(errors="surrogateescape")) < at_least:
            raise ImproperlyConfigured(
                f"{name} is too short: it must have at least {at_least} bytes"
            )
        return value

    def optional_secret(self, name: str, *, at_least: int = 1) -> str | None:
        """As `secret`, or None where it is not set."""
        return None if self.optional(name) is None else self.secret(name, at_least=at_least)

    def boolean(self, name: str, default: bool) -> bool:
        """Return true/false (also 1/0, yes/no, on/off, any case)."""
        value = self.optional(name)
        if value is None:
            return default
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
        raise ImproperlyConfigured(f"{name} must be true or false")

    def integer(self, name: str, default: int, *, at_least: int, at_most: int) -> int:
        """Return a whole number of ASCII digits within the bounds."""
        value = self.optional(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,18}", value) or not at_least <= int(value) <= at_most:
            raise ImproperlyConfigured(
                f"{name} must be a whole number from {at_least} to {at_most}"
            )
        return int(value)

    def optional_size(self, name: str) -> int | None:
        """Return bytes, given as a number or with a unit like `20GiB`; None where it is not set."""
        value = self.optional(name)
        try:
            return None if value is None else parse_size(value)
        except ValueError:
            raise ImproperlyConfigured(f"{name} must be a size: {FORM}") from None

    def optional_rate(self, name: str) -> Rate | None:
        """Return a rate like `600/min`; None where it is not set."""
        value = self.optional(name)
        try:
            return None if value is None else rates.parse_rate(value)
        except ValueError:
            raise ImproperlyConfigured(f"{name} must be a rate: {rates.FORM}") from None

    def optional_redis(self, name: str) -> dict[str, Any] | None:
        """Return what `redis.Redis` takes for a URL, None where it is not set.

        The password has a member of its own, which Django stars out wherever it shows settings.
        """
        value = self.optional(name)
        if value is None:
            return None
        try:
            url = urlsplit(value)
            port = url.port
            well_formed = (
                url.scheme in ("redis", "rediss")
                and bool(_AUTHORITY.fullmatch(url.netloc.rpartition("@")[2]))
                and bool(re.fullmatch(r"(/[0-9]{0,4})?", url.path, re.ASCII))
                and not (url.query or url.fragment)
                and port != 0
            )
        except ValueError:
            well_formed = False
        if not well_formed:
            raise ImproperlyConfigured(
                f"{name} must be a URL like redis://:password@host:6379/0, or rediss:// for TLS"
            )
        password = None if url.password is None else unquote(url.password)
        if password is not None and is_placeholder(password):
            raise ImproperlyConfigured(f"{name} has a password that is still a placeholder")
        return {
            "host": url.hostname,
            "port": port or 6379,
            "db": int(url.path[1:] or 0),
            "username": unquote(url.username) if url.username else None,
            "password": password or None,
            "ssl": url.scheme == "rediss",
        }

    def networks(self, name: str) -> list[str]:
        """Return the comma separated IP addresses and networks, each as a network; may be none."""
        if self.optional(name) is None:
            return []
        try:
            networks = [ipaddress.ip_network(item) for item in self.list(name, default="")]
        except ValueError:
            # Its own message would repeat the value.
            raise ImproperlyConfigured(
                f"{name} must be a list of IP addresses and networks, like 10.0.0.5,10.1.0.0/16"
            ) from None
        if any(network.prefixlen == 0 for network in networks):
            raise ImproperlyConfigured(f"{name} must not be every address there is")
        return [str(network) for network in networks]

    def origins(self, name: str) -> list[str]:
        """Return the comma separated origins, each as `origin` has it; may be none."""
        if self.optional(name) is None:
            return []
        return [_origin(name, item) for item in self.list(name, default="")]

    def url(self, name: str) -> str | None:
        """Return an http or https URL, as `origin` has it but for a path and a query; no user."""
        value = self.optional(name)
        if value is None:
            return None
        base, mark, query = value.strip().partition("?")
        if not re.fullmatch(r"[!-~]*", query):
            raise ImproperlyConfigured(f"{name} must be a URL like https://host/path")
        return f"{_address(name, base, 'https://host/path')}{mark}{query}"

    def endpoint(self, name: str) -> str | None:
        """Return an http or https URL of scheme, host, port and a path, without a final slash."""
        value = self.optional(name)
        if value is None:
            return None
        return _address(name, value, "http://host:port or https://host/path").rstrip("/")

    def list(self, name: str, default: str) -> list[str]:
        """Return the comma separated items, without blanks around them."""
        items = [item.strip() for item in (self.optional(name) or default).split(",")]
        if not all(items):
            raise ImproperlyConfigured(f"{name} must be a list like a,b with nothing empty in it")
        return items

    def matching(self, name: str, default: str, pattern: str, form: str) -> str:
        """Return a value that `pattern` describes to Python, and `form` to people."""
        value = self.optional(name) or default
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ImproperlyConfigured(f"{name} must be {form}")
        return value

    def origin(self, name: str) -> str | None:
        """Return an http or https URL of scheme, host and port only, as browsers write an origin:
        in lower case, without a final slash and without the scheme's own port."""
        value = self.optional(name)
        return None if value is None else _origin(name, value)

    def issuer(self, name: str) -> str | None:
        """Return the URL of an OpenID provider exactly as it is given: https, or http on loopback,
        without a query or fragment (OpenID Connect Discovery 1.0, section 3)."""
        value = self.optional(name)
        if value is None:
            return None
        try:
            url = urlsplit(value)
            well_formed = (
                bool(_AUTHORITY.fullmatch(url.netloc))
                and bool(_ISSUER.fullmatch(value))
                and (url.scheme == "https" or is_loopback(str(url.hostname)))
                and (url.port is None or url.port > 0)
            )
        except ValueError:
            well_formed = False
        if not well_formed:
            raise ImproperlyConfigured(
                f"{name} must be a URL like https://host/path; http:// only for this machine"
            )
        return value


def is_loopback(host: str) -> bool:
    """Return whether the host, a name or an address without brackets, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _origin(name: str, value: str) -> str:
    form = "http://host:port or https://host"
    address = _address(name, value, form).removesuffix("/")
    if address.count("/") > 2:
        raise ImproperlyConfigured(f"{name} must be a URL like {form}")
    return address


def _address(name: str, value: str, form: str) -> str:
    """Return the URL in normal form: scheme and host in lower case, without the scheme's port."""
    try:
        url = urlsplit(value)
        well_formed = (
            url.scheme in ("http", "https")
            and bool(_AUTHORITY.fullmatch(url.netloc))
            and bool(_PATH.fullmatch(url.path))
            and not (url.query or url.fragment)
            and (url.port is None or url.port > 0)
        )
    except ValueError:
        well_formed = False
    if not well_formed:
        raise ImproperlyConfigured(f"{name} must be a URL like {form}")
    own_port = {"http": ":80", "https": ":443"}[url.scheme]
    return f"{url.scheme}://{url.netloc.lower().removesuffix(own_port)}{url.path}"
