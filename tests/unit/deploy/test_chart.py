"""Kustomize base and chart give the same objects; helm and kubectl themselves say what these are."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ctrlkit.deploy import Description, Program, files_of, objects_of, write
from ctrlkit.deploy.chart import chart_files
from ctrlkit.deploy.monitoring import ALERTS
from tests.support.caches import ROLES, described
from tests.support.helm import HELM, needs_helm
from tests.support.kubectl import KUBECTL, needs_kubectl

Objects = dict[tuple[str, str, str], dict[str, Any]]

PAGE = (Path(__file__).parents[3] / "docs" / "deploying.md").read_text(encoding="utf-8")
OF_HELM = ("helm.sh/chart", "app.kubernetes.io/managed-by", "helm.sh/resource-policy")


def by_name(text: str) -> Objects:
    """Objects by kind, namespace and name, without what a tool says of itself; no hooks."""
    found: Objects = {}
    for one in filter(None, yaml.safe_load_all(text)):
        metadata = one["metadata"]
        if "helm.sh/hook" in (metadata.get("annotations") or {}):
            continue
        for part in ("labels", "annotations"):
            kept = {key: value for key, value in (metadata.pop(part, None) or {}).items() if key not in OF_HELM}
            metadata.update({part: kept} if kept else {})
        found[one["kind"], metadata.get("namespace", ""), metadata["name"]] = one
    return found


def printed(*command: str | Path) -> str:
    """What a program prints."""
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def helm(description: Description, folder: Path, *flags: str) -> Objects:
    """What `helm template` makes of the chart, installed under the program's name and in its namespace."""
    assert HELM is not None
    write(files_of(description), folder)
    program = description.program
    release = (program.name, str(folder / "chart"), "--namespace", program.own_namespace)
    return by_name(printed(HELM, "template", *release, *flags))


def without_namespace(objects: Objects) -> Objects:
    """All but the Namespace, which helm makes by itself."""
    return {key: one for key, one in objects.items() if key[0] != "Namespace"}


DESCRIPTIONS = [
    {},
    {"replicas": 1, "settings": {"leader_elect": False}},
    {"settings": {"shards": 8, "namespaces": ["a", "b"], "grace_s": 100.5}},
    {"settings": {"tls_cert": "/tls/tls.crt", "tls_key": "/tls/tls.key", "endpoints_address": ":9000"}},
    {"settings": {"lease_name": "another"}, "args": [], "image": "registry.example.com:5000/a/b"},
]


@needs_helm
@pytest.mark.parametrize("said", DESCRIPTIONS)
def test_a_chart_with_its_default_values_gives_the_objects_of_the_base(said: dict[str, Any], tmp_path: Path) -> None:
    """But for labels and annotations in which helm speaks of itself."""
    description = described(**said)
    want = without_namespace(by_name(yaml.safe_dump_all(objects_of(description))))
    assert helm(description, tmp_path) == want


@needs_helm
def test_options_of_the_chart_are_the_components_of_kustomize(tmp_path: Path) -> None:
    """ServiceMonitor, alerts, dashboard and NetworkPolicy."""
    description, options = described(), ("serviceMonitor", "prometheusRule", "grafanaDashboard", "networkPolicy")
    flags = [flag for option in options for flag in ("--set", f"{option}.enabled=true")]
    want = by_name(yaml.safe_dump_all(objects_of(description, options=options)))
    assert helm(description, tmp_path, *flags) == without_namespace(want)


@needs_helm
def test_values_say_whose_alerts_they_are_and_what_else_they_bear(tmp_path: Path) -> None:
    """Another name, other series, labels and runbooks; one alert is left out."""
    (tmp_path / "mine.yaml").write_text(
        """
fullnameOverride: mine
prometheusRule:
  enabled: true
  labels: {release: stack}
  without: [CtrlkitKeysGivenUp]
  alertLabels: {team: platform}
  runbooks: https://wiki.example.com/greeter
grafanaDashboard: {enabled: true, labels: {dashboards: "yes"}, annotations: {grafana_folder: Operators}}
"""
    )
    made = helm(described(), tmp_path, "--values", str(tmp_path / "mine.yaml"))
    rule, dashboard = made["PrometheusRule", "caches", "mine"], made["ConfigMap", "caches", "mine-dashboard"]
    assert rule["metadata"]["labels"]["release"] == "stack"
    (group,) = rule["spec"]["groups"]
    rules = {one["alert"]: one for one in group["rules"]}
    assert {alert.name for alert in ALERTS} - rules.keys() == {"CtrlkitKeysGivenUp"}
    absent = rules["CtrlkitProgramAbsent"]
    assert absent["expr"] == 'absent(ctrlkit_info{job="mine-metrics", namespace="caches"})'
    assert absent["labels"] == {"severity": "critical", "team": "platform"}
    assert absent["annotations"]["runbook_url"] == "https://wiki.example.com/greeter#ctrlkitprogramabsent"
    assert dashboard["metadata"]["labels"]["dashboards"] == "yes"
    assert dashboard["metadata"]["annotations"] == {"grafana_folder": "Operators"}
    other = helm(
        described(),
        tmp_path,
        "--set",
        "prometheusRule.enabled=true",
        "--set-string",
        r"prometheusRule.series=job=\"x\"",
    )
    (group,) = other["PrometheusRule", "caches", "cache-operator"]["spec"]["groups"]
    assert group["rules"][0]["expr"] == 'absent(ctrlkit_info{job="x"})'


@needs_kubectl
def test_kustomize_makes_the_objects_of_base_and_components(tmp_path: Path) -> None:
    """With an overlay that names another image, another namespace and both components."""
    description = described(ROLES[:1], image="registry.example.com/cache-operator")
    write(files_of(description), tmp_path)
    assert by_name(printed(KUBECTL, "kustomize", tmp_path / "kustomize/base")) == by_name(
        yaml.safe_dump_all(objects_of(description))
    )
    overlay = tmp_path / "kustomize/overlays/test"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text(
        "namespace: elsewhere\n" + overlay_of_the_page("greeter", "cache-operator")
    )
    made = by_name(printed(KUBECTL, "kustomize", overlay))
    assert {key[1] for key in made} == {"", "elsewhere"}
    assert ("ServiceMonitor", "elsewhere", "cache-operator") in made
    deployment = made["Deployment", "elsewhere", "cache-operator"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert deployment["spec"]["replicas"] == 1
    assert {"name": "CTRLKIT_LOG_LEVEL", "value": "debug"} in container["env"]
    assert container["image"] == "registry.example.com/cache-operator:1.3.0-rc1"
    subjects = made["ClusterRoleBinding", "", "cache-operator"]["subjects"]
    assert subjects == [{"kind": "ServiceAccount", "name": "cache-operator", "namespace": "elsewhere"}]


def overlay_of_the_page(name: str, other: str) -> str:
    """The overlay that docs/deploying.md shows, for another program."""
    _, _, text = PAGE.partition("# deploy/kustomize/overlays/test/kustomization.yaml\n")
    return text.partition("```")[0].replace(f"namespace: {name}", "namespace: caches").replace(name, other)


def test_the_page_has_each_key_of_the_description() -> None:
    """With the default that it has."""
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", PAGE.partition("## What comes out")[0], re.MULTILINE)
    assert [key for key, _ in rows] == sorted((key for key, _ in rows), key=list(Program.__struct_fields__).index)
    assert {key for key, _ in rows} == set(Program.__struct_fields__)
    shown = {key: default.strip().strip("`") for key, default in rows}
    usual = Program(name="greeter")
    for key in ("replicas", "user", "rights", "folder", "kube_version"):
        assert shown[key] == str(getattr(usual, key))


@needs_helm
def test_helm_finds_nothing_to_say_of_the_chart(tmp_path: Path) -> None:
    """`helm lint --strict`."""
    assert HELM is not None
    write(files_of(described()), tmp_path)
    assert "0 chart(s) failed" in printed(HELM, "lint", "--strict", tmp_path / "chart")


@needs_helm
def test_values_are_what_they_are_for(tmp_path: Path) -> None:
    """Each finds its place, whatever the release is called; numbers and lists of settings have no other form."""
    values = {
        "replicas": 3,
        "image": {"repository": "r.example.com/c", "digest": f"sha256:{'a' * 64}"},
        "imagePullSecrets": [{"name": "pull"}],
        "settings": {"grace_s": 1000000, "namespaces": ["a", "b"], "log_level": "debug"},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:1"}],
        "extraVolumes": [{"name": "more", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        "resources": {"limits": None, "requests": {"cpu": "2"}},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"operator": "Exists"}],
        "podLabels": {"team": "c"},
        "podAnnotations": {"a": "b"},
        "commonLabels": {"owner": "me"},
        "serviceAccount": {"create": False, "name": "theirs"},
        "metrics": {"annotations": False, "service": False},
        "priorityClassName": "high",
        "crds": {"install": False},
        "topologySpreadConstraints": [{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    }
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    description = described()
    write(files_of(description), tmp_path)
    assert HELM is not None
    release = ("other", tmp_path / "chart", "--namespace", "x", "--values", tmp_path / "values.yaml")
    made = by_name(printed(HELM, "template", *release))
    assert not {kind for kind, _, _ in made} & {"CustomResourceDefinition", "ServiceAccount", "Service"}
    deployment = made["Deployment", "x", "other-cache-operator"]
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert (
        environment.items()
        >= {
            "CTRLKIT_GRACE_S": "1000000",
            "CTRLKIT_NAMESPACES": "a,b",
            "CTRLKIT_LOG_LEVEL": "debug",
            "CTRLKIT_LEASE_NAME": "other-cache-operator",
            "HTTPS_PROXY": "http://proxy:1",
        }.items()
    )
    assert deployment["spec"]["replicas"] == 3
    assert deployment["metadata"]["labels"]["owner"] == "me"
    assert container["image"] == f"r.example.com/c@sha256:{'a' * 64}"
    assert container["resources"] == {"requests": {"cpu": "2", "memory": "96Mi"}}
    assert template["metadata"]["annotations"] == {"a": "b"}
    assert template["metadata"]["labels"]["team"] == "c"
    assert (template["spec"]["nodeSelector"], template["spec"]["priorityClassName"]) == ({"disk": "fast"}, "high")
    assert template["spec"]["terminationGracePeriodSeconds"] == 1000032
    assert template["spec"]["topologySpreadConstraints"] == values["topologySpreadConstraints"]
    assert [one["name"] for one in template["spec"]["volumes"]] == ["tmp", "more"]
    assert {key[1] for key in made if key[2] == "other-cache-operator-works-here"} == {"a", "b"}
    subjects = made["ClusterRoleBinding", "", "other-cache-operator-cluster"]["subjects"]
    assert subjects == [{"kind": "ServiceAccount", "name": "theirs", "namespace": "x"}]


@needs_helm
@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("settings.leader_elekt=true", "additional properties 'leader_elekt' not allowed"),
        ("replicas=two", "/replicas"),
        ("settings.log_level=loud", "/settings/log_level"),
        ("settings.leader_elect=false", "they would all do the same work"),
        ("settings.endpoints_address=off", "must be of the form :PORT"),
    ],
)
def test_values_that_cannot_be_are_refused(flag: str, said: str, tmp_path: Path) -> None:
    """By helm, before anything is installed, and with the place."""
    assert HELM is not None
    write(files_of(described()), tmp_path)
    command = [HELM, "template", "cache-operator", str(tmp_path / "chart"), "--set", flag]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stderr


def test_each_value_that_templates_use_has_its_default_and_its_schema() -> None:
    """Without helm: a value that is not declared would be refused, or be nothing."""
    files = chart_files(described())
    schema, defaults = json.loads(files["values.schema.json"]), yaml.safe_load(files["values.yaml"])
    used = {path for text in files.values() for path in re.findall(r"\.Values\.([\w.]+)", text)}
    assert len(used) > 30
    for path in used:
        place, value = schema, defaults
        for key in path.split("."):
            assert key in place["properties"], path
            place = place["properties"][key]
            value = value[key] if path.split(".")[0] != "settings" or len(path.split(".")) == 1 else value
    assert "{{" not in files["values.yaml"]
