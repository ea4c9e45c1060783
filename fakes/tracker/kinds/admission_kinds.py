"""Webhook configurations: their structure, and the expressions in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from ctrlkit.fakes.tracker.kinds.admission_rules import (
    FAILURES,
    MATCHES,
    REINVOCATIONS,
    condition_causes,
    fill_in_rules,
    name_warnings,
    rule_causes,
    selectors_causes,
    set_missing,
)
from ctrlkit.fakes.tracker.kinds.definitions.conversions import path_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_VERSIONS = ("v1", "v1beta1")
_PORT = 443
_SECONDS, _SECONDS_MAX = 10, 30


# ---- webhook configurations -----------------------------------------------------------------------------------------


def _fill_in_webhooks(configuration: Plain) -> None:
    for webhook in configuration.get("webhooks") or ():
        set_missing(
            webhook,
            failurePolicy="Fail",
            matchPolicy="Equivalent",
            namespaceSelector={},
            objectSelector={},
            timeoutSeconds=_SECONDS,
        )
        service = webhook["clientConfig"].get("service")
        if service is not None:
            set_missing(service, port=_PORT)
        fill_in_rules(webhook.get("rules") or ())


def _fill_in_mutating_webhooks(configuration: Plain) -> None:
    _fill_in_webhooks(configuration)
    for webhook in configuration.get("webhooks") or ():
        set_missing(webhook, reinvocationPolicy="Never")


def _webhook_causes(configuration: Object, old: Object | None) -> Iterator[Cause]:
    names: set[str] = set()
    is_known = old is not None and _conditions(configuration) == _conditions(old)
    for index, webhook in enumerate(configuration.get("webhooks") or ()):
        path = f"webhooks[{index}]"
        yield from _one_causes(webhook, path)
        if not is_known:
            yield from condition_causes(webhook.get("matchConditions") or (), f"{path}.matchConditions")
        yield from _review_version_causes(webhook.get("admissionReviewVersions") or (), path)
        if webhook["name"] in names:
            yield Cause.duplicate(f"{path}.name", webhook["name"])
        names.add(webhook["name"])


def _conditions(configuration: Object) -> list[object]:
    return [webhook.get("matchConditions") or [] for webhook in configuration.get("webhooks") or ()]


def _one_causes(webhook: Object, path: str) -> Iterator[Cause]:
    name, seconds = webhook["name"], webhook["timeoutSeconds"]
    yield from _qualified_causes(name, f"{path}.name")
    for index, rule in enumerate(webhook.get("rules") or ()):
        yield from rule_causes(rule, f"{path}.rules[{index}]")
    for field, allowed in (("failurePolicy", FAILURES), ("matchPolicy", MATCHES)):
        if webhook[field] not in allowed:
            yield Cause.unsupported(f"{path}.{field}", webhook[field], allowed)
    effects = webhook.get("sideEffects")
    if effects is None:
        yield Cause.required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
    elif effects not in _SIDE_EFFECTS:
        yield Cause.unsupported(f"{path}.sideEffects", effects, _SIDE_EFFECTS)
    if not 1 <= seconds <= _SECONDS_MAX:
        text = f"the timeout value must be between 1 and {_SECONDS_MAX} seconds"
        yield Cause.wrong(f"{path}.timeoutSeconds", seconds, text)
    yield from selectors_causes(webhook, path)
    again = webhook.get("reinvocationPolicy")
    if again is not None and again not in REINVOCATIONS:
        yield Cause.unsupported(f"{path}.reinvocationPolicy", again, REINVOCATIONS)
    yield from _client_causes(webhook["clientConfig"], f"{path}.clientConfig")


def _qualified_causes(name: str, path: str) -> Iterator[Cause]:
    complaints = formats.subdomain(name)
    if not name:
        yield Cause.required(path)
    elif complaints:
        yield Cause.wrong(path, name, ",".join(complaints))
    elif name.count(".") < 2:
        yield Cause.wrong(path, name, "should be a domain with at least three segments separated by dots")


def _review_version_causes(versions: Sequence[str], path: str) -> Iterator[Cause]:
    here = f"{path}.admissionReviewVersions"
    if not versions:
        yield Cause.required(here, f"must specify one of {', '.join(_VERSIONS)}")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield Cause.wrong(f"{here}[{index}]", version, "duplicate version")
        yield from Cause.all_wrong(f"{here}[{index}]", version, formats.label_1035(version))
    if not set(versions) & set(_VERSIONS):
        text = f"must include at least one of {', '.join(_VERSIONS)}"
        yield Cause.wrong(here, list(versions), text)


def _client_causes(client: Object, path: str) -> Iterator[Cause]:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        yield Cause.required(path, "exactly one of url or service is required")
    elif service is not None:
        for name in ("name", "namespace"):
            if not service[name]:
                yield Cause.required(f"{path}.service.{name}")
        if not 1 <= service["port"] <= 65535:
            text = "port is not valid: must be between 1 and 65535, inclusive"
            yield Cause.wrong(f"{path}.service.port", service["port"], text)
        if service.get("path") is not None:
            yield from path_causes(service["path"], f"{path}.service.path")
    elif url is not None:
        yield from _url_causes(url, f"{path}.url")


def _url_causes(url: str, path: str) -> Iterator[Cause]:
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    for is_wrong, value, text in (
        (parts.scheme != "https", parts.scheme, "'https' is the only allowed URL scheme"),
        (not parts.netloc.rpartition("@")[2], "", "host must be specified"),
    ):
        if is_wrong:
            yield Cause.wrong(path, value, f"{text}; desired format: https://host[/path]")
    for value, text in (
        (user, "user information is not permitted in the URL"),
        (parts.fragment, "fragments are not permitted in the URL"),
        (parts.query, "query parameters are not permitted in the URL"),
    ):
        if value:
            yield Cause.wrong(path, value, text)


def _count_cells(name: str) -> Any:
    def cells(plain: Object, now: datetime) -> list[Any]:
        return [name_of(plain), len(plain.get(name) or ()), age_of(plain, now)]

    return cells


VALIDATING_WEBHOOKS = Strategy(
    blind_updates=False,
    warn=name_warnings,
    generation=True,
    counted=lambda plain: plain.get("webhooks") or (),
    defaults=_fill_in_webhooks,
    validate=_webhook_causes,
    cells=_count_cells("webhooks"),
)
MUTATING_WEBHOOKS = dataclasses.replace(VALIDATING_WEBHOOKS, defaults=_fill_in_mutating_webhooks)
