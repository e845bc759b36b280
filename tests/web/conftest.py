"""An OpenID provider, and a browser that signs in there."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client as Browser
from pytest_django.fixtures import Settings

from files.services import openid
from tests.support import oidc_provider
from tests.support.oidc_provider import Provider
from tests.support.tcp_proxy import TcpProxy


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with oidc_provider.running(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def line(provider: Provider, settings: Settings) -> Iterator[TcpProxy]:
    """The service's and the browser's way to the provider, which is the issuer of this address."""
    openid._places.cache_clear()
    with TcpProxy(provider.address) as proxy:
        settings.PUBLIC_URL = "http://testserver"
        settings.OIDC_ISSUER = proxy.endpoint
        settings.OIDC_CLIENT_ID = "drive"
        settings.OIDC_CLIENT_SECRET = "our-secret"
        settings.AUTHENTICATION_BACKENDS = [
            *settings.AUTHENTICATION_BACKENDS,
            "files.web.backend.OpenIDBackend",
        ]
        yield proxy
    openid._provider.cache_clear()
    openid._places.cache_clear()


class Person:
    """Someone with a browser; the way to the provider is by `tests.support.oidc_provider`."""

    def __init__(self) -> None:
        self.browser = Browser(raise_request_exception=False)
        self.address = ""
        """Where the provider was last asked who this is."""

    def start(self) -> Any:
        """Press the button of the sign-in page."""
        answer = self.browser.post("/sign-in/oidc")
        if answer.status_code == 200:
            self.address = moves_on_to(answer)
        return answer

    def query(self) -> dict[str, str]:
        """Return the parameters of the request at the provider."""
        return {name: value for name, (value,) in parse_qs(urlsplit(self.address).query).items()}

    def come_back(self, address: str) -> Any:
        return self.browser.get(address.removeprefix("http://testserver"))

    def sign_in(self, sub: str | None) -> Any:
        """Sign in as `sub`, or deny with None; return the answer to the callback."""
        assert self.start().status_code == 200
        return self.come_back(oidc_provider.sign_in(self.address, sub))

    def is_signed_in(self) -> bool:
        return 'id="drive"' in self.browser.get("/").content.decode()


def moves_on_to(answer: Any) -> str:
    """Return where a page goes by itself."""
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', answer.content.decode())
    assert found, answer.content
    return html.unescape(found[1])


@pytest.fixture
def person() -> Person:
    return Person()
