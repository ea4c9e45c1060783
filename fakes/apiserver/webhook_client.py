"""
Calls webhooks over HTTPS, as an API server does: it trusts only what the webhook's caBundle signs, or the machine's own
authorities where there is none, and goes to a Service by the way that a table says.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp

from ctrlkit.fakes.tracker.exchanges import Question, Reply
from ctrlkit.fakes.tracker.plugins.replies import address_of, query_of
from ctrlkit.model import Action

_HEADERS = {
    "Accept": "application/json, */*",
    "Content-Type": "application/json",
    "User-Agent": "kube-apiserver-admission",
}
_BODY_BYTES_MAX = 3 * 1024 * 1024


class HttpsWebhooks:
    """
    Calls webhooks over HTTPS.

    Shape   `services` leads from `namespace/name:port` of a Service to the `host:port` where what it stands for
            listens. Without an entry a Service cannot be reached.
    Owner   Keeps no connection: each call has its own.
    """

    def __init__(self, services: Mapping[str, str]) -> None:
        self._services = dict(services)

    async def ask(self, question: Question, body: bytes) -> Reply:
        """See Webhooks.ask."""
        url, name = address_of(question.client), None
        service = question.client.get("service")
        if service is not None:
            place = f"{service['namespace']}/{service['name']}:{service.get('port') or 443}"
            if place not in self._services:
                return Reply(failure=f'service "{service["name"]}" not found')
            name = f"{service['name']}.{service['namespace']}.svc"
            path = str(service.get("path") or "").lstrip("/")
            url = f"https://{self._services[place]}/{path}"
        try:
            tls = _trusting(str(question.client.get("caBundle") or ""))
        except (ValueError, ssl.SSLError):
            problem = "unable to load root certificates: unable to parse bytes as PEM block"
            return Reply(failure=problem, is_tried=False)
        try:
            return await _post(url + query_of(question), body, tls, name)
        except aiohttp.ClientError as error:
            return Reply(failure=_in_words(error, name))

    def ask_now(self, question: Question, body: bytes) -> Reply:
        """See Webhooks.ask_now."""
        raise RuntimeError(f"call the webhook {question.name}: it is called over HTTPS, so await the request")

    def audit(self, _action: Action, _annotations: Mapping[str, str]) -> None:
        """Do nothing: nobody audits."""


def _trusting(bundle: str) -> ssl.SSLContext:
    if not bundle:
        return ssl.create_default_context()
    return ssl.create_default_context(cadata=base64.b64decode(bundle).decode())


async def _post(url: str, body: bytes, tls: ssl.SSLContext, name: str | None) -> Reply:
    options: dict[str, Any] = {"server_hostname": name} if name else {}
    headers = _HEADERS | ({"Host": name} if name else {})
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout()) as session,
        session.post(url, data=body, headers=headers, ssl=tls, **options) as answer,
    ):
        content = await answer.content.read(_BODY_BYTES_MAX)
        while (more := await answer.content.read(_BODY_BYTES_MAX)) and len(content) < _BODY_BYTES_MAX:
            content += more
        return Reply(answer.status, content, answer.headers.get("Content-Type", ""))


def _in_words(error: aiohttp.ClientError, name: str | None) -> str:
    """Describe why a server was not reached, as Go does."""
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as reason):
            return _untrusted(reason, name)
        case aiohttp.ClientConnectorDNSError(host=host):
            return f"dial tcp: lookup {host}: no such host"
        case aiohttp.ClientSSLError():
            return "tls: first record does not look like a TLS handshake"
        case aiohttp.ClientConnectorError(host=host, port=port):
            return f"dial tcp {host}:{port}: connect: connection refused"
        case aiohttp.InvalidURL():
            return "no Host in request URL"
    return "EOF"


_EXPIRED, _OTHER_NAMES = 10, (62, 64)
"""Codes of what is wrong with a certificate, in OpenSSL."""


def _untrusted(reason: ssl.SSLCertVerificationError, name: str | None) -> str:
    start = "tls: failed to verify certificate: x509: "
    if reason.verify_code == _EXPIRED:
        return start + "certificate has expired or is not yet valid"
    if reason.verify_code in _OTHER_NAMES:
        return start + f"certificate is not valid for any names, but wanted to match {name}"
    return start + "certificate signed by unknown authority"
