"""Where webhooks are served, and by which name they are called."""

from __future__ import annotations

import pytest

from ctrlkit.client import Client
from ctrlkit.errors import ConfigError
from ctrlkit.fakes import FakeClientset
from ctrlkit.manager import Settings
from ctrlkit.manager.settings import SettingsError
from ctrlkit.manager.webhooks.options import WebhookServing, host_of
from ctrlkit.manager.webhooks.outside import listening, url_of
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport


def a_client(server: str) -> Client:
    return Client(RestTransport(Endpoint(server=server)))


@pytest.mark.parametrize(
    ("options", "server", "url", "address"),
    [
        ({}, "https://127.0.0.1:6443", "https://127.0.0.1:9443", "127.0.0.1:9443"),
        ({}, "https://[::1]:6443", "https://127.0.0.1:9443", "127.0.0.1:9443"),
        ({"address": "[::1]:9443"}, "https://127.0.0.1:6443", "https://[::1]:9443", "[::1]:9443"),
        ({"url": "https://me.example.com/"}, "https://10.1.2.3:6443", "https://me.example.com", ":9443"),
        ({"address": "10.0.0.5:1"}, "https://10.1.2.3:6443", "https://10.0.0.5:9443", "10.0.0.5:1"),
    ],
)
def test_the_url_is_the_one_that_is_set_or_leads_to_where_is_listened(
    options: dict[str, str], server: str, url: str, address: str
) -> None:
    """Where the server is on this machine nobody else is listened to."""
    serving = WebhookServing(**options)  # type: ignore[arg-type]
    client = a_client(server)
    assert url_of(serving, client, 9443) == url
    assert listening(serving, client).address == address
    assert host_of(url)


def test_in_memory_a_server_is_on_this_machine() -> None:
    """As a FakeClientset is."""
    assert url_of(WebhookServing(), FakeClientset().client, 1) == "https://127.0.0.1:1"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"address": "9443"}, "serve webhooks at '9443': that is no address"),
        ({"service": "web"}, "'web' is no Service; write NAMESPACE/NAME"),
        ({"service": "demo/Web"}, "no Service"),
        ({"service": "demo/web", "url": "https://a"}, "two ways; name one"),
        ({"url": "https://a/path"}, "nothing but https://HOST"),
        ({"url": "https://a:0"}, "nothing but https://HOST"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(options: dict[str, str], words: str) -> None:
    """In one line, as a setting too."""
    with pytest.raises(ConfigError, match=words):
        WebhookServing(**options)  # type: ignore[arg-type]


def test_settings_say_where_or_nowhere() -> None:
    """Outside of a pod a Service needs its namespace, which is told when it is looked for."""
    assert Settings(webhooks_address="off").webhook_serving is None
    serving = Settings(webhooks_service="demo/web").webhook_serving
    assert serving is not None
    assert (serving.service_namespace, serving.service_name) == ("demo", "web")
    with pytest.raises(ConfigError, match="write NAMESPACE/web as webhooks_service"):
        _ = Settings(webhooks_service="web").webhook_serving
    with pytest.raises(SettingsError, match="'Web' is no Service"):
        Settings(webhooks_service="Web")
