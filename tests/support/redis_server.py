"""A Redis of a test's own, to be killed and started again on the same port."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis, RedisError

from tests.support.ports import free_port
from tests.support.process import Process

PASSWORD = "4f1d0c9b8a7e6f5d"
needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="needs redis-server, of Debian's package"
)


class RedisServer:
    """Keeps nothing on disk; `client` talks to it past the service. With a certificate it takes
    TLS alone."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.port = free_port()
        self.certificate = certificate
        scheme, tls = ("redis", False) if certificate is None else ("rediss", True)
        self.url = f"{scheme}://:{PASSWORD}@127.0.0.1:{self.port}/3"
        self.client = Redis(port=self.port, db=3, password=PASSWORD, ssl=tls, ssl_cert_reqs="none")
        self.process: Process | None = None

    def start(self) -> None:
        options = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--requirepass": PASSWORD,
            "--save": "",
            "--appendonly": "no",
        }
        if self.certificate is not None:
            options |= {
                "--port": "0",
                "--tls-port": str(self.port),
                "--tls-cert-file": str(self.certificate),
                "--tls-key-file": str(self.certificate),
                "--tls-ca-cert-file": str(self.certificate),
                "--tls-auth-clients": "no",
            }
        command = ["redis-server", *(part for pair in options.items() for part in pair)]
        self.process = Process(command, stdout=subprocess.DEVNULL)
        self.process.wait_until(self._answers)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill_all()
        self.process = None

    def keys(self) -> list[str]:
        return [key.decode() for key in self.client.scan_iter()]

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False


@contextmanager
def redis_server(certificate: Path | None = None) -> Iterator[RedisServer]:
    server = RedisServer(certificate)
    try:
        server.start()
        yield server
    finally:
        server.client.close()
        if server.process is not None:
            server.kill()


def make_certificate(folder: Path) -> Path:
    """Return a file with a key and a certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    now = datetime.now(UTC)
    address = x509.IPAddress(IPv4Address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    pem = serialization.Encoding.PEM
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, form, plain) + certificate.public_bytes(pem))
    return path
