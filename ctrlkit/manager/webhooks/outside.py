"""
Webhooks of a program outside of its cluster, on a developer's machine: a server calls them by a URL.

The configurations are applied by the program itself when it serves, and deleted when it ends. A conversion that led to
a Service before leads there again.
"""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final

from ctrlkit.client import Client
from ctrlkit.errors import ApiError, ConfigError, Invalid, NotFound, TransportError
from ctrlkit.manager.endpoints.options import is_loopback
from ctrlkit.manager.webhooks.options import WebhookServing
from ctrlkit.model import AnyResource, JsonPatch, MergePatch, OnConflict
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS
from ctrlkit.names import LABEL_MAX
from ctrlkit.telemetry import logger
from ctrlkit.webhooks import Webhooks
from ctrlkit.webhooks.configurations import kind_of
from ctrlkit.wire.transport import RestTransport

LOCAL: Final = "127.0.0.1"

Conversion = dict[str, Any]
"""The conversion of a definition, as it stands in the manifest."""


def url_of(options: WebhookServing, client: Client, port: int) -> str:
    """Return the URL by which the server of a client gets to a port here: the one that is set, or one that is found."""
    if options.url:
        return options.url.rstrip("/")
    host = options.host if options.host not in ("", "0.0.0.0", "::") else _own_address(client)
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def listening(options: WebhookServing, client: Client) -> WebhookServing:
    """Return where to listen: on this machine's own interface alone, where the server is on this machine too."""
    if options.url or options.host or _own_address(client) != LOCAL:
        return options
    return replace(options, address=f"{LOCAL}:{options.port}")


def name_of(program: str) -> str:
    """
    Return the name of the configurations of a program.

    >>> name_of("my_operator.main")
    'my-operator-main-webhooks'
    """
    name = re.sub("[^a-z0-9]+", "-", program.lower()).strip("-") or "program"
    return f"{name[: LABEL_MAX - 9]}-webhooks"


def _own_address(client: Client) -> str:
    """The address of this machine from which the server is reached, and so most likely reaches us."""
    if not isinstance(client.transport, RestTransport):
        return LOCAL
    host, _, port = client.transport.statistics().host.rpartition(":")
    host = host.strip("[]")
    if host == "localhost" or is_loopback(host):
        return LOCAL
    try:
        family, _, _, _, target = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(target)  # sends nothing: it only chooses the way
            return str(probe.getsockname()[0])
    except OSError:
        return LOCAL


@asynccontextmanager
async def installed(
    webhooks: Webhooks, client: Client, *, url: str, name: str, ca_bundle: bytes
) -> AsyncIterator[None]:
    """
    Tell the server of webhooks at a URL, for as long as this lasts.

    A definition whose conversion led to a Service, such as that of the program in the cluster, gets it back afterwards:
    else nobody could apply its manifest again, which would name both. Others keep the URL: without a conversion,
    objects of other versions could not be read.

    Errors  ConfigError where the server does not take it, or not from this user.
    """
    log = logger("webhooks")
    applying = Client(client.transport, field_manager=name)
    made: list[AnyResource] = []
    before: dict[str, Conversion] = {}
    try:
        await _tell_of(webhooks, applying, url=url, name=name, ca_bundle=ca_bundle, made=made)
        for definition in webhooks.converted:
            await _lead_here(applying, definition, webhooks.conversion(url, ca_bundle=ca_bundle), before)
        log.info("webhooks_installed", url=url, configuration=name, conversions=list(webhooks.converted))
        yield
    finally:  # also of a start that fails in the middle: a configuration that leads nowhere refuses every request
        for resource in made:
            with suppress(ApiError, TransportError):
                await applying.delete(resource, name)
        for definition, conversion in before.items():
            called_at = webhooks.conversion(url)["webhook"]["clientConfig"]["url"]
            ours = {"op": "test", "path": "/spec/conversion/webhook/clientConfig/url", "value": called_at}
            back = {"op": "replace", "path": "/spec/conversion", "value": conversion}
            with suppress(ApiError, TransportError):  # somebody else has changed it since
                await applying.patch(CUSTOM_RESOURCE_DEFINITIONS, definition, JsonPatch([ours, back]))


async def _tell_of(
    webhooks: Webhooks, applying: Client, *, url: str, name: str, ca_bundle: bytes, made: list[AnyResource]
) -> None:
    """Apply the configurations; `made` gets the kinds of those that may be there then."""
    for body in webhooks.configurations(url, name=name, ca_bundle=ca_bundle):
        resource = kind_of(body)
        try:
            await applying.apply(resource, name, body, on_conflict=OnConflict.FORCE)
        except (ApiError, TransportError) as error:
            raise ConfigError(f"tell the server of webhooks at {url}: {error}{_hint(error)}") from error
        made.append(resource)


async def _lead_here(applying: Client, definition: str, conversion: Conversion, before: dict[str, Conversion]) -> None:
    """Tell the server of a conversion; `before` gets the one that was there if it led to a Service."""
    url = conversion["webhook"]["clientConfig"]["url"]
    conversion["webhook"]["clientConfig"]["service"] = None
    try:
        found = await applying.get(CUSTOM_RESOURCE_DEFINITIONS, definition)
        await applying.patch(CUSTOM_RESOURCE_DEFINITIONS, definition, MergePatch({"spec": {"conversion": conversion}}))
    except NotFound:
        logger("webhooks").warning("definition_missing", definition=definition)
        return
    except (ApiError, TransportError) as error:
        raise ConfigError(f"tell the server of the conversion of {definition} at {url}: {error}") from error
    if found.at("spec.conversion.webhook.clientConfig.service"):
        before[definition] = found.at("spec.conversion")


def _hint(error: Exception) -> str:
    if isinstance(error, Invalid):
        return "; the program is installed in that cluster, as a Service: take its configurations away first"
    return ""
