"""Outside issuers of tokens: an OpenID provider from a package, and key sets on a web server.

Both are processes of their own. The provider signs by RS256 only; for all else a test has the
private keys, and publishes the public ones.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

from scripts.lib.processes import free_port, listens
from tests.support.process import Process
from tests.support.tcp_proxy import TcpProxy
from tests.support.tokens import LATER

_CURVES: dict[str, type[Any]] = {
    "ES256": ec.SECP256R1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}


@functools.cache
def _private_key(algorithm: str, number: int) -> Any:
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm]())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True)
class Key:
    """A key pair of an issuer; pairs of the same `number` are the same in all of a test run."""

    algorithm: str = "ES256"
    kid: str | None = "one"
    number: int = 1

    @property
    def private(self) -> Any:
        kind = "RSA" if self.algorithm[:2] in ("RS", "PS") else self.algorithm
        return _private_key(kind, self.number)

    @property
    def public(self) -> bytes:
        """The public key as PEM."""
        public: bytes = self.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return public

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """Return the public key as the issuer publishes it, changed; None leaves a member out."""
        algorithm: Any = get_default_algorithms()[self.algorithm]
        members = algorithm.to_jwk(self.private.public_key(), as_dict=True)
        members |= {"kid": self.kid, "alg": self.algorithm, "use": "sig"} | changes
        return {name: value for name, value in members.items() if value is not None}

    def token(self, *, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """Return a good token for `owner`, changed; None leaves a claim out."""
        claims = {"sub": "owner", "exp": LATER} | changes
        named = {} if self.kid is None else {"kid": self.kid}
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            self.private,
            algorithm=self.algorithm,
            headers=named | dict(header or {}),
        )


class KeyServer:
    """A web server with key sets; every set has a URL that no test had before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.process = Process(
            [sys.executable, "-m", "http.server", "--bind=127.0.0.1", str(self.port)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.process.wait_until(lambda: listens(self.port))

    def publish(self, name: str, *jwks: Mapping[str, Any]) -> None:
        """Let the set of that name have these keys, from one moment to the next."""
        self.write(name, json.dumps({"keys": jwks}))

    def write(self, name: str, text: str) -> None:
        """Give `text` under that name, from one moment to the next."""
        new = self._folder / f".{name}"
        new.write_text(text)
        os.replace(new, self._folder / name)

    def url(self, name: str, port: int | None = None) -> str:
        return f"http://127.0.0.1:{port or self.port}/{name}"


@dataclass
class Issuer:
    """A key set of a test's own, with a proxy before it to count requests or to break them."""

    server: KeyServer
    name: str
    proxy: TcpProxy

    @property
    def url(self) -> str:
        return self.server.url(self.name, self.proxy.port)

    def publish(self, *keys: Key | Mapping[str, Any]) -> None:
        jwks = [key.jwk() if isinstance(key, Key) else key for key in keys]
        self.server.publish(self.name, *jwks)


@pytest.fixture(scope="session")
def key_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyServer]:
    server = KeyServer(tmp_path_factory.mktemp("keys"))
    yield server
    server.process.end()


@contextmanager
def issuer_of(key_server: KeyServer) -> Iterator[Issuer]:
    with TcpProxy(("127.0.0.1", key_server.port)) as proxy:
        yield Issuer(key_server, f"{uuid.uuid4()}.json", proxy)


class Provider:
    """An OpenID provider; each start makes a new key, on the same port."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Process | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "oidc_provider_mock", f"--port={self.port}"]
        self.process = Process(command, log=self._log)
        self.process.wait_until(lambda: listens(self.port))

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill_all()
            self.process = None

    def id_token(self, subject: str, *, client: str) -> str:
        """Sign `subject` in, as a browser does, and return the ID token that the client gets."""
        there = "http://localhost/back"
        asked = {"client_id": client, "redirect_uri": there, "scope": "openid"}
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30) as http:
            sent = http.post(
                "/oauth2/authorize",
                params=asked | {"response_type": "code"},
                data={"sub": subject},
            )
            code = parse_qs(urlsplit(sent.headers["Location"]).query)["code"][0]
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": there}
            answer = http.post("/oauth2/token", data=form, auth=(client, "any"))
        return str(answer.json()["id_token"])
