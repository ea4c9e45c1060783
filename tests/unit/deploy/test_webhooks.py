"""A program with webhooks: reachable, allowed to keep its certificates, and never in its own way."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ctrlkit.deploy import Description, describe, description_of, objects_of
from ctrlkit.deploy.command import tell_unconverted
from ctrlkit.errors import ConfigError
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.webhooks import Webhooks
from tests.support import guards
from tests.support.caches import rule
from tests.support.guards import described
from tests.support.helm import HELM, needs_helm
from tests.support.kubectl import KUBECTL, needs_kubectl
from tests.unit.deploy.test_chart import Objects, by_name, helm, printed, without_namespace

ADMISSION = "admissionregistration.k8s.io"


@cache
def _objects() -> list[dict[str, Any]]:
    return objects_of(described())


def the(kind: str, name: str = "guards", description: Description | None = None) -> dict[str, Any]:
    """The one object of a kind and name."""
    objects = _objects() if description is None else objects_of(description)
    (found,) = (one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def test_configurations_definitions_and_the_service_lead_to_the_port_that_is_served() -> None:
    """All by the one name of the program's webhooks, which its setting says too."""
    service = the("Service", "guards-webhooks")
    (port,) = service["spec"]["ports"]
    (container,) = the("Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"name": port["targetPort"], "containerPort": 9443, "protocol": "TCP"} in container["ports"]
    assert {"name": "CTRLKIT_WEBHOOKS_SERVICE", "value": "guards-webhooks"} in container["env"]
    clients = [
        one["clientConfig"]["service"]
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
        for one in the(kind, "guards-webhooks")["webhooks"]
    ]
    conversion = the("CustomResourceDefinition", "guards.example.com")["spec"]["conversion"]
    clients.append(conversion["webhook"]["clientConfig"]["service"])
    assert {(one["namespace"], one["name"], one["port"]) for one in clients} == {("tower", "guards-webhooks", 443)}
    assert [one["path"] for one in clients if one["path"] == "/convert"] == ["/convert"]
    assert len(clients) == 4


def test_no_manifest_has_the_certificates_which_the_program_writes_itself() -> None:
    """So nothing that applies manifests again takes them away."""
    assert "caBundle" not in str(_objects())


def test_pods_of_the_program_are_not_asked_about() -> None:
    """A webhook for pods that is down would keep its own program from coming back."""
    (entry,) = (
        one for one in the("ValidatingWebhookConfiguration", "guards-webhooks")["webhooks"] if "pods" in str(one)
    )
    (requirement,) = entry["namespaceSelector"]["matchExpressions"]
    assert (requirement["operator"], requirement["values"][0]) == ("NotIn", "tower")


def test_a_pod_that_is_to_end_serves_for_a_while() -> None:
    """Servers that have its address call it still."""
    (container,) = the("Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}


def test_it_may_keep_its_certificates_and_nothing_more() -> None:
    """By names, but for what is made: the Secret at home, the configurations and definitions that are its own."""
    role = the("Role")["rules"]
    assert rule("", "secrets", "create") in role
    assert {**rule("", "secrets", "list", "watch", "update"), "resourceNames": ["guards-webhooks"]} in role
    cluster = the("ClusterRole", "guards-cluster")["rules"]
    for sort in ("mutating", "validating"):
        allowed = rule(ADMISSION, f"{sort}webhookconfigurations", "list", "watch", "patch")
        assert {**allowed, "resourceNames": ["guards-webhooks"]} in cluster
    definitions = rule("apiextensions.k8s.io", "customresourcedefinitions", "get", "list", "watch", "patch")
    assert {**definitions, "resourceNames": ["guards.example.com"]} in cluster


def test_only_webhooks_that_are_run_are_configured() -> None:
    """Where one function or a list is run; a build function may add any of its module."""

    def build(manager: Any) -> list[Any]:
        return []

    alone = described(builds=[guards.guard])
    assert not alone.has_webhooks
    assert "webhook" not in yaml.safe_dump_all(objects_of(alone)).lower().replace("webhooks_", "")
    assert [one.name for one in described(builds=[guards.guard, guards.check]).webhooks] == [guards.check.name]
    assert len(described(builds=[build]).webhooks) == 5


@pytest.mark.long
def test_a_server_takes_all_of_it() -> None:
    """With the definition, whose objects nobody converts yet."""
    tracker = Tracker()
    for one in _objects():
        seed(tracker, one)


@needs_helm
def test_a_chart_gives_the_same_under_any_name_of_a_release(tmp_path: Path) -> None:
    """Names and namespaces in configurations, and in rights to them, follow the release."""
    want = without_namespace(by_name(yaml.safe_dump_all(objects_of(described()))))
    assert helm(described(), tmp_path) == want
    other = printed(str(HELM), "template", "other", tmp_path / "chart", "--namespace", "elsewhere")
    assert "tower" not in other
    made = by_name(other)
    assert made["Role", "elsewhere", "other-guards"]["rules"][-2]["resourceNames"] == ["other-guards-webhooks"]
    (mutating,) = made["MutatingWebhookConfiguration", "", "other-guards-webhooks"]["webhooks"]
    service = mutating["clientConfig"]["service"]
    assert (service["name"], service["namespace"]) == ("other-guards-webhooks", "elsewhere")


def test_a_conversion_of_a_kind_that_is_not_the_programs_is_refused(tmp_path: Path) -> None:
    """Its definition could not name the Service."""
    (tmp_path / "rbac.yaml").write_text("kind: ClusterRole\nrules: []")
    program = described(run="", modules=["tests.support.guards"], rights="rbac.yaml").program
    assert len(describe(program, tmp_path).webhooks) == 5
    lonely = described().program
    with pytest.raises(ConfigError, match=r"guards\.example\.com is converted, and the definition is not"):
        description_of(lonely, builds=[guards.upgrade, guards.downgrade], roles=guards.ROLES)


def test_webhooks_that_are_served_nowhere_are_not_configured() -> None:
    """A program may be told to serve none."""
    assert not described(settings={"webhooks_address": "off"}).has_webhooks


def test_the_port_is_that_of_the_setting() -> None:
    """Of a program that serves elsewhere."""
    (container,) = the("Deployment", description=described(settings={"webhooks_address": ":10250"}))["spec"][
        "template"
    ]["spec"]["containers"]
    assert {"name": "webhooks", "containerPort": 10250, "protocol": "TCP"} in container["ports"]


@needs_helm
@needs_kubectl
def test_cert_manager_is_an_option_of_both(tmp_path: Path) -> None:
    """A Certificate for the Service's names, mounted where the program looks, and injected where servers look."""
    made = helm(described(), tmp_path, "--set", "certManager.enabled=true")
    overlay = tmp_path / "kustomize/overlays/test"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text(
        "resources: [../../base]\ncomponents: [../../components/cert-manager]\n"
    )
    assert made == without_namespace(in_order(by_name(printed(KUBECTL, "kustomize", overlay))))
    certificate = made["Certificate", "tower", "guards-webhooks"]["spec"]
    assert certificate["dnsNames"][0] == "guards-webhooks.tower.svc"
    assert certificate["issuerRef"] == {"name": "guards-webhooks", "kind": "Issuer"}
    spec = made["Deployment", "tower", "guards"]["spec"]["template"]["spec"]
    assert spec["volumes"][1]["secret"]["secretName"] == certificate["secretName"]
    injected = {
        key[0]
        for key, one in made.items()
        if (one["metadata"].get("annotations") or {}).get("cert-manager.io/inject-ca-from") == "tower/guards-webhooks"
    }
    assert injected == {
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    }


def test_fields_that_nothing_converts_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The definitions would be installed as they are, and a server would drop what is written to those fields."""
    tell_unconverted(described())
    assert not capsys.readouterr().err
    tell_unconverted(replace(described(), webhooks=Webhooks()))
    assert "nothing converts" in capsys.readouterr().err


def in_order(objects: Objects) -> Objects:
    """Objects with what a patch has put first in lists last, as a chart has it."""
    for key, one in objects.items():
        if key[0] == "Deployment":
            spec = one["spec"]["template"]["spec"]
            (container,) = spec["containers"]
            for part in (spec["volumes"], container["env"], container["volumeMounts"]):
                part.append(part.pop(0))
    return objects
