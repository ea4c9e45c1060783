"""The Deployment of a program, and what stands around its pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ctrlkit.deploy.description import WEBHOOKS_SERVICE, Description
from ctrlkit.deploy.names import CERTIFICATES_SUFFIX, WEBHOOKS_SUFFIX, Names
from ctrlkit.deploy.places import ABSENT, Block, Place, Tree, When, from_values
from ctrlkit.deploy.program import METRICS_PORT, PRE_STOP_S, Program, as_text, seconds_to_end
from ctrlkit.manager.settings_sources import variable_of

CONTAINER: Final = "controller"
STARTS_WITHIN_S: Final = 150
"""Longer than the caches may take to fill by default, and a slow machine to start Python."""
_PROBE_EVERY_S: Final = 5

NAMED_BY_RELEASE: Final = {"lease_name": "", WEBHOOKS_SERVICE: WEBHOOKS_SUFFIX}
"""Settings that a chart's release says where its values do not, with the suffix to its name."""

WITH_CERT_MANAGER: Final = "if $.Values.certManager.enabled"
CERTIFICATES: Final = "certificates"
_CERTIFICATES_AT: Final = "/var/run/webhooks"


def deployment(described: Description) -> Tree:
    """Return the Deployment."""
    program = described.program
    names = Names(program)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(),
        "spec": {
            "replicas": Place("$.Values.replicas", program.replicas),
            "strategy": Block(names.included("strategy"), _strategy(program)),
            "selector": {"matchLabels": names.selector},
            "template": {
                "metadata": {
                    "labels": names.pod_labels,
                    "annotations": When(
                        f"if {names.included('podAnnotations')}",
                        Block(names.included("podAnnotations")),
                        plain=_annotations(program),
                    ),
                },
                "spec": _pod(described, names),
            },
        },
    }


def _strategy(program: Program) -> dict[str, Any]:
    settings = program.loaded
    if settings.leader_elect or settings.shards:
        return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return {"type": "Recreate"}


def _annotations(program: Program) -> dict[str, str]:
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(program.metrics_port),
        "prometheus.io/path": "/metrics",
    }


def _pod(described: Description, names: Names) -> Tree:
    program = described.program
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": names.selector},
        "matchLabelKeys": ["pod-template-hash"],
    }
    return {
        "serviceAccountName": names.account,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "imagePullSecrets": from_values("imagePullSecrets"),
        "priorityClassName": When("with $.Values.priorityClassName", Place(".", "")),
        "terminationGracePeriodSeconds": Place(names.included("secondsToEnd"), seconds_to_end(program.loaded)),
        "securityContext": Block("toYaml $.Values.podSecurityContext", pod_security(program)),
        "topologySpreadConstraints": from_values("topologySpreadConstraints", otherwise=[spread]),
        "nodeSelector": from_values("nodeSelector"),
        "affinity": from_values("affinity"),
        "tolerations": from_values("tolerations"),
        "containers": [_container(described, names)],
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}},
            *([When(WITH_CERT_MANAGER, certificates_volume(names))] if described.has_webhooks else []),
            from_values("extraVolumes"),
        ],
    }


def pod_security(program: Program) -> dict[str, Any]:
    """What all containers of the pod are held to."""
    return {
        "runAsNonRoot": True,
        "runAsUser": program.user,
        "runAsGroup": program.user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


CONTAINER_SECURITY: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def _container(described: Description, names: Names) -> Tree:
    program, webhooks = described.program, described.has_webhooks
    return {
        "name": CONTAINER,
        "image": Place(f"{names.included('image')} | quote", f"{program.image_name}:{program.version}"),
        "imagePullPolicy": Place("$.Values.image.pullPolicy", "IfNotPresent"),
        **({"args": program.arguments} if program.arguments else {}),
        "env": [
            *_environment(described, names),
            *([When(WITH_CERT_MANAGER, CERTIFICATES_SETTING)] if webhooks else []),
            from_values("extraEnv"),
        ],
        "ports": [
            _port("metrics", Place(names.included("metricsPort"), program.metrics_port)),
            *([_port("webhooks", Place(names.included("webhooksPort"), program.webhooks_port))] if webhooks else []),
        ],
        **({"lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_S}}}} if webhooks else {}),
        "startupProbe": _probe(program, "/healthz", failureThreshold=STARTS_WITHIN_S // _PROBE_EVERY_S),
        "livenessProbe": _probe(program, "/healthz", failureThreshold=6),
        "readinessProbe": _probe(program, "/readyz", failureThreshold=2),
        "resources": Block("toYaml $.Values.resources", resources(program)),
        "securityContext": Block("toYaml $.Values.securityContext", CONTAINER_SECURITY),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            *([When(WITH_CERT_MANAGER, CERTIFICATES_MOUNT)] if webhooks else []),
            from_values("extraVolumeMounts"),
        ],
    }


def _port(name: str, number: Place) -> Tree:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


CERTIFICATES_SETTING: Final[dict[str, Any]] = {"name": variable_of("webhooks_cert_dir"), "value": _CERTIFICATES_AT}
CERTIFICATES_MOUNT: Final[dict[str, Any]] = {"name": CERTIFICATES, "mountPath": _CERTIFICATES_AT, "readOnly": True}


def certificates_volume(names: Names) -> Tree:
    """The volume with the certificate that cert-manager makes."""
    return {"name": CERTIFICATES, "secret": {"secretName": names.of(CERTIFICATES_SUFFIX)}}


def resources(program: Program) -> dict[str, Any]:
    """What the container asks for, and what it may use."""
    return {"requests": program.resources.requests, "limits": program.resources.limits}


def _environment(described: Description, names: Names) -> list[Tree]:
    """The settings as variables: those that a release names first, then all others by their names."""
    deployed = described.settings
    named = [
        {
            "name": variable_of(name),
            "value": Place(
                f"$.Values.settings.{name} | default ({names.of(suffix).expression}) | quote", as_text(deployed[name])
            ),
        }
        for name, suffix in NAMED_BY_RELEASE.items()
        if name in deployed
    ]
    omitted = " ".join(f'"{name}"' for name in NAMED_BY_RELEASE)
    others = When(
        f"range $name, $value := omit $.Values.settings {omitted}",
        {
            "name": Place('printf "CTRLKIT_%s" (upper $name)', ""),
            "value": Place(f"{names.included('setting', '$value')} | quote", ""),
        },
        plain=[
            {"name": variable_of(name), "value": as_text(value)}
            for name, value in deployed.items()
            if name not in NAMED_BY_RELEASE
        ],
    )
    return [*named, others]


def _probe(program: Program, path: str, **more: int) -> Tree:
    return {
        "httpGet": {"path": path, "port": "metrics", "scheme": scheme(program, "HTTPS", "HTTP")},
        "periodSeconds": _PROBE_EVERY_S,
        "timeoutSeconds": 5,
        **more,
    }


def scheme(program: Program, tls: str, otherwise: str) -> Place:
    """Return how the endpoints are asked."""
    expression = f'ternary "{tls}" "{otherwise}" (not (empty $.Values.settings.tls_cert))'
    return Place(expression, tls if program.loaded.tls_cert else otherwise)


def disruption_budget(described: Description) -> Tree:
    """Return the PodDisruptionBudget: of several replicas one at a time may be evicted."""
    names = Names(described.program)
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": names.metadata(),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": names.selector}},
    }
    return When(
        "if and $.Values.podDisruptionBudget.enabled (gt (int $.Values.replicas) 1)",
        budget,
        plain=budget if described.program.replicas > 1 else ABSENT,
    )


def services(described: Description) -> Iterator[Tree]:
    """Yield the Services under which metrics are found, and webhooks."""
    metrics = _service(described, "metrics", METRICS_PORT)
    yield When("if $.Values.metrics.service", metrics, plain=metrics)
    if described.has_webhooks:
        yield _service(described, "webhooks", 443)


def _service(described: Description, name: str, port: int) -> Tree:
    names = Names(described.program)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(f"-{name}"),
        "spec": {
            "selector": names.selector,
            "ports": [{"name": name, "port": port, "targetPort": name, "protocol": "TCP"}],
        },
    }


def service_monitor(described: Description) -> Tree:
    """Return the ServiceMonitor, which tells a Prometheus operator of the metrics of each pod."""
    names = Names(described.program)
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": names.metadata(labels=names.labels_and("serviceMonitor.labels")),
        "spec": {
            "selector": {"matchLabels": names.selector},
            "endpoints": [
                {
                    "port": "metrics",
                    "path": "/metrics",
                    "scheme": scheme(described.program, "https", "http"),
                    "interval": When("with $.Values.serviceMonitor.interval", Place(".", "")),
                }
            ],
        },
    }


def network_policy(described: Description) -> Tree:
    """Return the NetworkPolicy: nothing comes in but what asks for metrics, health or webhooks."""
    names = Names(described.program)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata(),
        "spec": {
            "podSelector": {"matchLabels": names.selector},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "ports": [{"port": "metrics", "protocol": "TCP"}],
                    "from": from_values("networkPolicy.metricsFrom"),
                },
                *([{"ports": [{"port": "webhooks", "protocol": "TCP"}]}] if described.has_webhooks else []),
            ],
        },
    }
