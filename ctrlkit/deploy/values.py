"""The values of a program's chart: each with its default, what it is for, and what it takes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple, get_args

from ctrlkit.crd.manifest import dump
from ctrlkit.deploy.description import Description
from ctrlkit.deploy.monitoring import ALERTS, RUNBOOKS
from ctrlkit.deploy.monitoring.expressions import MATCHERS
from ctrlkit.deploy.monitoring.objects import SIDECAR
from ctrlkit.deploy.program import Program
from ctrlkit.deploy.workload import CONTAINER_SECURITY, NAMED_BY_RELEASE, pod_security, resources
from ctrlkit.manager.settings import settings_known
from ctrlkit.manager.settings_sources import Setting

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_FLAG: Final[Schema] = {"type": "boolean"}
_MAP: Final[Schema] = {"type": "object"}
_TEXTS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
_LIST: Final[Schema] = {"type": "array", "items": {"type": "object"}}
_SCHEMAS: Final[Mapping[type, Schema]] = {
    bool: _FLAG,
    float: {"type": "number", "minimum": 0},
    int: {"type": "integer", "minimum": 0},
    str: _TEXT,
}
_WIDTH: Final = 100


class Value(NamedTuple):
    """A value: its path, default, what it is for, and what it takes as a JSON schema."""

    path: str
    default: Any
    comment: str
    schema: Schema


def _flag(path: str, comment: str, *, is_on: bool) -> Value:
    return Value(path, is_on, comment, _FLAG)


def values_of(described: Description) -> list[Value]:
    """Return the values of a program's chart, in the order of the file."""
    program = described.program
    image = [
        Value("image.repository", program.image_name, "The image without its tag.", {**_TEXT, "minLength": 1}),
        Value("image.tag", "", "By default the chart's appVersion.", {"type": ["string", "number"]}),
        Value(
            "image.digest", "", "sha256:...; comes before the tag.", {**_TEXT, "pattern": "^(sha256:[0-9a-f]{64})?$"}
        ),
        Value("image.pullPolicy", "IfNotPresent", "", {"enum": ["Always", "IfNotPresent", "Never"]}),
        Value("imagePullSecrets", [], "Secrets for the registry: [{name: ...}].", _LIST),
    ]
    replicas = Value(
        "replicas",
        program.replicas,
        "Of which one works at a time, unless settings.shards is set.",
        {"type": "integer", "minimum": 0},
    )
    return [
        *image,
        replicas,
        *_settings(described),
        Value("extraEnv", [], "More variables of the container: [{name: ..., value: ...}].", _LIST),
        Value("resources", resources(program), "What the container asks for, and what it may use.", _MAP),
        *_names(),
        *_pod(program),
        *_parts(described),
    ]


def _settings(described: Description) -> Iterator[Value]:
    """The settings that are set, and the schema of all that could be."""
    known = settings_known()
    for name, value in described.settings.items():
        usual = f"{described.program.name}{NAMED_BY_RELEASE.get(name, '')}"
        default = "" if name in NAMED_BY_RELEASE and value == usual else value
        comment = known[name].help
        if name in NAMED_BY_RELEASE:
            comment += "; by default the name of the release's objects"
        yield Value(f"settings.{name}", default, comment, _setting_schema(known[name]))


def _setting_schema(setting: Setting) -> Schema:
    plain, _ = get_args(setting.type)
    if setting.is_list:
        schema: Schema = {"type": ["array", "string"], "items": _TEXT}
    elif issubclass(plain, StrEnum):
        schema = {"enum": [str(one) for one in plain]}
    else:
        schema = dict(_SCHEMAS[plain])
    return {**schema, "description": setting.help}


def _names() -> list[Value]:
    return [
        Value("fullnameOverride", "", "The name of all objects; by default made of the release's.", _TEXT),
        Value("commonLabels", {}, "More labels of every object.", _TEXTS),
        _flag("serviceAccount.create", "Whether the chart makes the service account.", is_on=True),
        Value("serviceAccount.name", "", "By default the name of all objects.", _TEXT),
        Value("serviceAccount.annotations", {}, "", _TEXTS),
        _flag("rbac.create", "Whether the chart makes roles and bindings.", is_on=True),
    ]


def _pod(program: Program) -> list[Value]:
    return [
        Value("podLabels", {}, "More labels of the pods.", _TEXTS),
        Value("podAnnotations", {}, "More annotations of the pods.", _TEXTS),
        Value("podSecurityContext", pod_security(program), "", _MAP),
        Value("securityContext", CONTAINER_SECURITY, "Of the container.", _MAP),
        Value("priorityClassName", "", "", _TEXT),
        Value(
            "terminationGracePeriodSeconds",
            0,
            "By default what the settings grace_s and renew_s ask for.",
            {"type": "integer", "minimum": 0},
        ),
        Value("nodeSelector", {}, "", _TEXTS),
        Value("affinity", {}, "", _MAP),
        Value("tolerations", [], "", _LIST),
        Value("topologySpreadConstraints", [], "By default on different nodes, as far as that can be.", _LIST),
        Value("extraVolumes", [], "More volumes of the pod, for certificates, tokens or files.", _LIST),
        Value("extraVolumeMounts", [], "Where the container has them.", _LIST),
    ]


def _parts(described: Description) -> Iterator[Value]:
    if described.definitions:
        yield _flag(
            "crds.install",
            "Whether the chart has the CustomResourceDefinitions. They are templates, as helm does not upgrade what "
            "is in a chart's folder crds/.",
            is_on=True,
        )
        yield _flag(
            "crds.keep",
            "Whether they stay when the release is uninstalled; without them all objects of their kinds are deleted.",
            is_on=True,
        )
    if described.has_webhooks:
        yield _flag(
            "certManager.enabled",
            "Let cert-manager make the certificates of webhooks, and write the caBundles; else the program does.",
            is_on=False,
        )
        yield Value("certManager.issuerRef", {}, "Who signs them; by default an Issuer of the chart's own.", _MAP)
    yield _flag("metrics.service", "Whether there is a Service for metrics.", is_on=True)
    yield _flag("metrics.annotations", "Whether pods say with prometheus.io/... where metrics are.", is_on=True)
    yield _flag(
        "serviceMonitor.enabled", "For a Prometheus operator: tell it of the metrics; needs its kinds.", is_on=False
    )
    yield Value("serviceMonitor.interval", "", "How often they are read, such as 30s.", _TEXT)
    yield Value("serviceMonitor.labels", {}, "Labels by which a Prometheus chooses it.", _TEXTS)
    yield from _monitoring()
    yield _flag("networkPolicy.enabled", "Let nothing in but to the ports of metrics and webhooks.", is_on=False)
    yield Value(
        "networkPolicy.metricsFrom", [], "Who may read metrics, as a NetworkPolicy's `from`; all by default.", _LIST
    )
    yield _flag("podDisruptionBudget.enabled", "Of several replicas, let one be evicted at a time.", is_on=True)


def _monitoring() -> Iterator[Value]:
    names = {"type": "array", "items": {"enum": [alert.name for alert in ALERTS]}}
    yield _flag(
        "prometheusRule.enabled", "For a Prometheus operator: alerts about the program; needs its kinds.", is_on=False
    )
    yield Value("prometheusRule.labels", {}, "Labels by which a Prometheus chooses it.", _TEXTS)
    yield Value(
        "prometheusRule.series",
        "",
        'The matchers of the program\'s series; by default job="...", namespace="...", as the ServiceMonitor has them.',
        {**_TEXT, "pattern": f"^({MATCHERS})?$"},
    )
    yield Value("prometheusRule.without", [], "Alerts that are left out, by their names.", names)
    yield Value("prometheusRule.alertLabels", {}, "More labels of each alert, such as a team.", _TEXTS)
    yield Value("prometheusRule.runbooks", RUNBOOKS, "The page that alerts link to.", _TEXT)
    yield _flag(
        "grafanaDashboard.enabled", "A ConfigMap with a dashboard, which a sidecar brings into Grafana.", is_on=False
    )
    yield Value("grafanaDashboard.labels", SIDECAR, "Labels by which the sidecar finds it.", _TEXTS)
    yield Value("grafanaDashboard.annotations", {}, "Such as the folder: {grafana_folder: Operators}.", _TEXTS)


def values_text(values: Sequence[Value]) -> str:
    """Return the text of values.yaml: each value below its comment."""
    lines: list[str] = []
    parents: list[str] = []
    for value in values:
        *above, name = value.path.split(".")
        if above != parents or not above:
            lines.append("")
        if above != parents:
            lines += [f"{key}:" for key in above]
            parents = above
        pad = "  " * len(above)
        lines += [f"{pad}# {line}" for line in textwrap.wrap(value.comment, _WIDTH)]
        lines += [f"{pad}{line}" for line in dump({name: value.default}).splitlines()]
    return "\n".join(lines).lstrip("\n") + "\n"


def schema_of(values: Sequence[Value], program: Program) -> Schema:
    """Return values.schema.json, by which helm refuses an unknown value, and one of a wrong type."""
    top = _open_table()
    for value in values:
        *above, name = value.path.split(".")
        place = top
        for key in above:
            place = place["properties"].setdefault(key, _open_table())
        said = {"description": value.comment} if value.comment else {}
        place["properties"][name] = {**value.schema, **said}
    settings = {name: _setting_schema(one) for name, one in settings_known().items()}
    top["properties"]["settings"]["properties"] = settings
    top["properties"]["global"] = _MAP
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": f"Values of {program.name}", **top}


def _open_table() -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": {}}
