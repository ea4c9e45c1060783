"""The kustomize base of a program, and components for what is an option; overlays are their users' own."""

from __future__ import annotations

from typing import Any, Final

from ctrlkit.crd.manifest import to_yaml
from ctrlkit.deploy.description import Description
from ctrlkit.deploy.objects import GENERATED, namespace_of, parts_of
from ctrlkit.deploy.places import plain

_HEAD: Final = f"# {GENERATED}: what is changed here is lost when it is run again; write an overlay instead.\n"


def kustomize_files(described: Description) -> dict[str, str]:
    """Return the files of base and components, by their paths."""
    program = described.program
    parts = parts_of(described)
    made = {"base/namespace.yaml": _text(namespace_of(described))}
    for part in parts:
        place = f"components/{part.name}" if part.option else "base"
        made[f"{place}/{part.name}.yaml"] = _text(*part.plain_objects)
        if part.option:
            component = _kustomization("Component", [part.name])
            if part.patches:
                component["patches"] = [{"path": "patches.yaml"}]
                made[f"{place}/patches.yaml"] = _text(*plain(part.patches))
            made[f"{place}/kustomization.yaml"] = _text(component)
    base = _kustomization("Kustomization", ["namespace", *(part.name for part in parts if not part.option)])
    base["images"] = [{"name": program.image_name, "newTag": program.version}]
    made["base/kustomization.yaml"] = _text(base)
    return dict(sorted(made.items()))


def _kustomization(kind: str, names: list[str]) -> dict[str, Any]:
    version = {"Kustomization": "v1beta1", "Component": "v1alpha1"}[kind]
    return {
        "apiVersion": f"kustomize.config.k8s.io/{version}",
        "kind": kind,
        "resources": [f"{name}.yaml" for name in names],
    }


def _text(*objects: dict[str, Any]) -> str:
    return _HEAD + to_yaml(*objects)
