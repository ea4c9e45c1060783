"""Typed built-in kinds: they read what servers send, lose nothing of it, and cost nothing until they are used."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import ctrlkit
from ctrlkit import kinds
from ctrlkit.fakes.releases.typed_kinds import GROUPS, modules, snake_case
from ctrlkit.kinds import apps, core
from ctrlkit.model import ObjectMeta, Resource, is_immutable, to_plain
from tests.support.snippets import ROOT

SCENARIOS = ROOT / "tests" / "conformance" / "scenarios"
BY_KIND: dict[tuple[str, str], Resource[Any]] = {
    (one.api_version, one.kind): one
    for group in GROUPS
    for one in vars(importlib.import_module(f"ctrlkit.kinds.{group}")).values()
    if isinstance(one, Resource)
}


def _objects(value: object) -> Iterator[dict[str, Any]]:
    """Each object of a typed kind in an answer, items of lists included."""
    match value:
        case {"kind": str(kind), "apiVersion": str(version), "metadata": {"uid": _}} if (version, kind) in BY_KIND:
            yield value  # type: ignore[misc]
        case {"kind": str(kind), "apiVersion": str(version), "items": list(items)}:
            for item in items:
                if isinstance(item, dict):
                    yield from _objects({"kind": kind.removesuffix("List"), "apiVersion": version, **item})


def _recorded() -> list[dict[str, Any]]:
    found = []
    for path in sorted(SCENARIOS.glob("*.json")):
        for step in json.loads(path.read_text()).get("steps", ()):
            found += list(_objects((step.get("answer") or {}).get("body")))
    return found


def _said(value: Any) -> Any:
    """Plain data without what is empty, which types do not tell from what is not there, and what only servers read."""
    match value:
        case dict():
            kept = {name: _said(one) for name, one in value.items() if name not in ("managedFields", "selfLink")}
            return {name: one for name, one in kept.items() if one not in ("", None, [], {}, 0, False)}
        case list() | tuple():
            return [_said(one) for one in value]
    return value


def test_what_servers_answered_is_read_and_nothing_of_it_lost() -> None:
    """Each object of a typed kind in the recorded answers: all its fields are there, and travel back as they came."""
    recorded = _recorded()
    assert len(recorded) > 1_000
    assert len({(one["apiVersion"], one["kind"]) for one in recorded}) > 25
    for item in recorded:
        resource = BY_KIND[item["apiVersion"], item["kind"]]
        value = msgspec.json.decode(json.dumps(item), type=resource.type)
        whole = {"apiVersion": item["apiVersion"], "kind": item["kind"], **to_plain(value)}
        wanted = _said(item)
        wanted["metadata"].pop("deletionGracePeriodSeconds", None)  # ObjectMeta leaves it to servers
        for inner in wanted.get("spec", {}).get("volumeClaimTemplates", ()):
            inner.pop("apiVersion", None)
            inner.pop("kind", None)
        assert _said(whole) == wanted


@pytest.mark.parametrize("resource", BY_KIND.values(), ids=str)
def test_values_are_immutable_so_that_caches_share_them(resource: Resource[Any]) -> None:
    """Lists are tuples, mappings read-only views; only fields that may hold anything are private copies."""
    holds_anything = {"controllerrevisions", "csistoragecapacities", "validatingadmissionpolicies"}
    assert is_immutable(resource.type) or resource.plural in holds_anything


def test_a_mapping_cannot_be_changed() -> None:
    """What a lister returned is everybody's."""
    secret = core.Secret(metadata=ObjectMeta(name="a"), data={"password": b"x"})
    assert secret.data["password"] == b"x"
    with pytest.raises(TypeError, match="does not support item assignment"):
        secret.data["password"] = b"y"  # type: ignore[index]


def test_what_is_empty_is_not_sent() -> None:
    """So that an apply owns what was said, and no more; an empty value that counts is sent."""
    container = core.Container(name="web", image="web:1")
    spec = apps.DeploymentSpec(
        replicas=0,
        selector=core.LabelSelector(match_labels={"app": "web"}),
        template=core.PodTemplateSpec(spec=core.PodSpec(containers=(container,))),
    )
    assert to_plain(apps.Deployment(metadata=ObjectMeta(name="web"), spec=spec)) == {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": ({"name": "web", "image": "web:1"},)}},
        },
    }


def test_what_a_newer_server_sends_is_skipped() -> None:
    """A patch or an apply leaves it as it is; a PUT of a typed object is refused."""
    pod = msgspec.json.decode(
        b'{"metadata": {"name": "a"}, "spec": {"containers": [], "later": 1}, "more": {}}', type=core.Pod
    )
    assert pod.spec.containers == ()


def test_the_modules_are_what_the_facts_of_the_newest_release_give() -> None:
    """Made anew, they are the same: `python -m ctrlkit.fakes.releases.typed_kinds`."""
    folder = Path(kinds.__file__).parent
    for name, text in modules().items():
        assert ast.dump(ast.parse(text)) == ast.dump(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8")))


def test_nothing_is_loaded_until_it_is_asked_for() -> None:
    """`kinds.PODS` costs no types; `kinds.apps` loads its own and those it is made of."""
    code = (
        "import sys\nfrom ctrlkit import kinds\nkinds.PODS\n"
        "print([name for name in sys.modules if name.startswith('ctrlkit.kinds.')])\n"
        "kinds.apps.DEPLOYMENTS\nprint(sorted(name for name in sys.modules if name.startswith('ctrlkit.kinds.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['ctrlkit.kinds.apps', 'ctrlkit.kinds.base', 'ctrlkit.kinds.core']"]


def test_dict_like_kinds_stand_beside_the_typed_ones() -> None:
    """`from ctrlkit import kinds` has both."""
    assert kinds.DEPLOYMENTS == ctrlkit.model.kinds.DEPLOYMENTS
    assert kinds.apps.DEPLOYMENTS.identity == kinds.DEPLOYMENTS.identity
    assert kinds.apps.DEPLOYMENTS.type is apps.Deployment
    with pytest.raises(AttributeError, match="no attribute 'extensions'"):
        kinds.extensions  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("name", "expected"), [("clusterIP", "cluster_ip"), ("podIPs", "pod_ips"), ("continue", "continue_"), ("a", "a")]
)
def test_fields_have_names_as_python_writes_them(name: str, expected: str) -> None:
    """Acronyms are words."""
    assert snake_case(name) == expected


@pytest.mark.long
def test_type_checkers_find_typos_in_children(tmp_path: Path) -> None:
    """A misspelt field of a child is an error of mypy, not of a cluster."""
    (tmp_path / "child.py").write_text(
        "from ctrlkit.kinds import apps, core\n"
        "def image(deployment: apps.Deployment) -> str:\n"
        "    return deployment.spec.template.spec.containers[0].image\n"
        'core.Container(name="web", imagePullPolicy="Always")\n'
        'core.Container(name="web").imagee\n'
        "core.Container()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "child.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line.partition(": error: ")[2] for line in done.stdout.splitlines() if ": error: " in line]
    assert len(errors) == 3
    assert 'Unexpected keyword argument "imagePullPolicy"' in errors[0]
    assert 'has no attribute "imagee"; maybe "image"?' in errors[1]
    assert 'Missing named argument "name"' in errors[2]
