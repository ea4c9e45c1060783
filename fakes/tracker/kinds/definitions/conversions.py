"""Rules of how a definition says that its versions are converted: not at all, or by a webhook."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.formats import label_1035, subdomain
from ctrlkit.fakes.tracker.schema.internal import go_json

_STRATEGIES = ("None", "Webhook")
_REVIEWS = ("v1", "v1beta1")
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
_FORM = "; desired format: https://host[/path]"


def conversion_causes(spec: Object, old: Object | None) -> Iterator[Cause]:
    """Yield what is wrong with the conversion in a definition's spec; `old` is the definition as it was."""
    conversion: Object = spec.get("conversion") or {}
    strategy, path = conversion.get("strategy") or "", "spec.conversion"
    if strategy != "None" and spec.get("preserveUnknownFields"):
        text = "must be None if spec.preserveUnknownFields is true"
        yield Cause.wrong(f"{path}.strategy", strategy, text)
    if not strategy:
        yield Cause.required(f"{path}.strategy")
    elif strategy not in _STRATEGIES:
        yield Cause.unsupported(f"{path}.strategy", strategy, _STRATEGIES)
    webhook: Object = conversion.get("webhook") or {}
    client, versions = webhook.get("clientConfig"), webhook.get("conversionReviewVersions") or ()
    if strategy == "Webhook":
        yield from _client_causes(client, f"{path}.webhookClientConfig", takes_any_bundle=_takes_any_bundle(old))
        yield from _review_causes(versions, f"{path}.conversionReviewVersions", needs_known=_had_known(old))
        return
    text = "should not be set when strategy is not set to Webhook"
    if client is not None:
        yield Cause.forbidden(f"{path}.webhookClientConfig", text)
    if versions:
        yield Cause.forbidden(f"{path}.conversionReviewVersions", text)


def _client(definition: Object) -> Object:
    webhook = (definition["spec"].get("conversion") or {}).get("webhook") or {}
    client: Object = webhook.get("clientConfig") or {}
    return client


def _takes_any_bundle(old: Object | None) -> bool:
    """A bundle is looked at once the kind is served, unless the one before was wrong too."""
    if old is None or not any(
        one["type"] == "Established" and one["status"] == "True"
        for one in (old.get("status") or {}).get("conditions") or ()
    ):
        return True
    return bool(bundle_problem(_client(old).get("caBundle") or ""))


def _had_known(old: Object | None) -> bool:
    webhook: Object = ((old["spec"].get("conversion") or {}).get("webhook") or {}) if old else {}
    versions = webhook.get("conversionReviewVersions") or ()
    return not versions or any(version in _REVIEWS for version in versions)


def _client_causes(client: Object | None, path: str, *, takes_any_bundle: bool) -> Iterator[Cause]:
    if client is None:
        yield Cause.required(path, "required when strategy is set to Webhook")
        return
    url, service, bundle = client.get("url"), client.get("service"), client.get("caBundle") or ""
    if (url is None) == (service is None):
        yield Cause.required(path, "exactly one of url or service is required")
    elif url is not None:
        yield from _url_causes(url, f"{path}.url")
    elif service is not None:
        yield from _service_causes(service, f"{path}.service")
    problem = "" if takes_any_bundle else bundle_problem(bundle)
    if problem:
        yield Cause.wrong(f"{path}.caBundle", bundle, problem)


def _url_causes(url: str, path: str) -> Iterator[Cause]:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        yield Cause.required(path, f'url must be a valid URL: parse "{url}": {error}{_FORM}')
        return
    if parts.scheme != "https":
        yield Cause.wrong(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}")
    user, at, host = parts.netloc.rpartition("@")
    if not host:
        yield Cause.wrong(path, "", f"host must be specified{_FORM}")
    if at:
        yield Cause.wrong(path, user, "user information is not permitted in the URL")
    if parts.fragment:
        yield Cause.wrong(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield Cause.wrong(path, parts.query, "query parameters are not permitted in the URL")


def _service_causes(service: Object, path: str) -> Iterator[Cause]:
    """The server takes a name for the namespace here, and the other way round."""
    for name, other in (("name", "namespace"), ("namespace", "name")):
        if not service.get(other):
            yield Cause.required(f"{path}.{name}")
    port = service.get("port", 443)
    if not 1 <= port <= 65535:
        yield Cause.wrong(f"{path}.port", port, "port is not valid: must be between 1 and 65535, inclusive")
    way: str | None = service.get("path")
    if way is not None:
        yield from path_causes(way, f"{path}.path")


def path_causes(way: str, path: str) -> Iterator[Cause]:
    """Yield what is wrong with the path of a Service in a webhook's configuration."""
    if way in ("", "/"):
        return
    if way == "//":
        yield Cause.wrong(path, way, "segment[0] may not be empty")
        return
    if not way.startswith("/"):
        yield Cause.wrong(path, way, "must start with a '/'")
    for index, step in enumerate(way[1:].removesuffix("/").split("/")):
        if not step:
            yield Cause.wrong(path, way, f"segment[{index}] may not be empty")
            continue
        for complaint in subdomain(step):
            yield Cause.wrong(path, way, f"segment[{index}]: {complaint}")


def _review_causes(versions: Sequence[str], path: str, *, needs_known: bool) -> Iterator[Cause]:
    if not versions:
        yield Cause.required(path)
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield Cause.wrong(f"{path}[{index}]", version, "duplicate version")
        else:
            yield from Cause.all_wrong(f"{path}[{index}]", version, label_1035(version))
    if needs_known and not any(version in _REVIEWS for version in versions):
        yield Cause.invalid(path, go_json(list(versions)), f"must include at least one of {', '.join(_REVIEWS)}")


def bundle_problem(bundle: str) -> str:
    """Return what is wrong with a bundle of certificates, which is base64 of PEM; "" if nothing is, or it is empty."""
    text = base64.b64decode(bundle)
    if not text:
        return ""
    from cryptography import x509  # noqa: PLC0415  # not free to load, and bundles are rare

    problem = ""
    for block in _BLOCK.finditer(text):
        try:
            x509.load_pem_x509_certificate(block[0])
        except ValueError:
            problem = problem or "failed to parse certificate: x509: malformed certificate"
        else:
            return ""
    return f"unable to load root certificates: {problem or 'unable to parse bytes as PEM block'}"
