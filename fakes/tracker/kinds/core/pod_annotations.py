"""Annotations of pods and pod templates that mean something to the server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.pod_scheduling import toleration_causes
from ctrlkit.fakes.tracker.kinds.core.pod_security import apparmor_profile_causes, visited
from ctrlkit.fakes.tracker.kinds.core.pod_volumes import descending_path_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.refusals import Cause

MIRROR = "kubernetes.io/config.mirror"
SECCOMP_OF_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_OF_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"

_TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_UNCONFINED, _RUNTIME, _DOCKER, _LOCALHOST = "unconfined", "runtime/default", "docker/default", "localhost/"


def annotation_causes(annotations: Mapping[str, str], spec: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that the annotations of a pod or template break, besides those of all annotations."""
    if MIRROR in annotations and not spec.get("nodeName"):
        text = "must set spec.nodeName if mirror pod annotation is set"
        yield Cause.wrong(f"{path}[{MIRROR}]", annotations[MIRROR], text)
    if annotations.get(_TOLERATIONS):
        yield from _toleration_causes(annotations[_TOLERATIONS], path)
    cost = annotations.get(_DELETION_COST)
    if cost is not None and not (re.fullmatch(r"0|-?\d+", cost) and _is_first_digit(cost) and _fits(cost)):
        yield Cause.wrong(f"{path}[{_DELETION_COST}]", cost, "must be a 32bit integer")
    for key, value in annotations.items():
        if key == SECCOMP_OF_POD or key.startswith(SECCOMP_OF_CONTAINER):
            yield from _seccomp_causes(value, f"{path}.{key}")
    for key, value in annotations.items():
        if key.startswith(APPARMOR):
            yield from _apparmor_causes(key, value, spec, f"{path}[{key}]")


def _is_first_digit(text: str) -> bool:
    return text[0] == "-" or text == "0" or text[0] in "123456789"


def _fits(text: str) -> bool:
    return -(2**31) <= int(text) < 2**31


def _toleration_causes(text: str, path: str) -> Iterator[Cause]:
    try:
        tolerations = json.loads(text)
    except ValueError:
        tolerations = []
    if isinstance(tolerations, list) and all(isinstance(one, dict) for one in tolerations):
        yield from toleration_causes(tolerations, f"{path}.{_TOLERATIONS}")


def _seccomp_causes(profile: str, path: str) -> Iterator[Cause]:
    if profile.startswith(_LOCALHOST):
        yield from descending_path_causes(profile.removeprefix(_LOCALHOST), path)
    elif profile not in (_RUNTIME, _DOCKER, _UNCONFINED):
        yield Cause.wrong(path, profile, "must be a valid seccomp profile")


def _apparmor_causes(key: str, profile: str, spec: Object, path: str) -> Iterator[Cause]:
    name = key.removeprefix(APPARMOR)
    if not any(container["name"] == name for container, _ in visited(spec, "")):
        yield Cause.wrong(path, name, "container not found")
    if profile not in ("", _RUNTIME, _UNCONFINED) and not profile.startswith(_LOCALHOST):
        yield Cause.wrong(path, profile, f'invalid AppArmor profile name: "{profile}"')


# ---- annotations beside the fields that replaced them ----------------------------------------------------------------


def matching_causes(annotations: Mapping[str, str], spec: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for each annotation that says something else than the field that replaced it."""
    if not any(key == SECCOMP_OF_POD or key.startswith((SECCOMP_OF_CONTAINER, APPARMOR)) for key in annotations):
        return
    context = spec["securityContext"]
    if "seccompProfile" in context and SECCOMP_OF_POD in annotations:
        here = f"{path}.securityContext.seccompProfile"
        yield from _match("seccomp", annotations[SECCOMP_OF_POD], context["seccompProfile"], here)
    containers = [(one, one.get("securityContext") or {}, here) for one, here in visited(spec, path)]
    for container, own, here in containers:
        given = annotations.get(SECCOMP_OF_CONTAINER + container["name"])
        if given is not None and "seccompProfile" in own:
            yield from _match("seccomp", given, own["seccompProfile"], f"{here}.securityContext.seccompProfile")
    if (spec.get("os") or {}).get("name") == "windows":
        return
    for container, own, here in containers:
        given = annotations.get(APPARMOR + container["name"])
        profile = own.get("appArmorProfile") or context.get("appArmorProfile")
        if given is not None and profile:
            yield from _match("apparmor", given, profile, f"{here}.securityContext.appArmorProfile")


def _match(what: str, annotation: str, profile: Object, path: str) -> Iterator[Cause]:
    fitting: Mapping[str, Callable[[str], bool]] = {
        "Unconfined": lambda given: given == _UNCONFINED,
        "RuntimeDefault": lambda given: given == _RUNTIME or (what == "seccomp" and given == _DOCKER),
        "Localhost": lambda given: given.startswith(_LOCALHOST),
    }
    fits = fitting.get(profile["type"])
    if fits and not fits(annotation):
        yield Cause.forbidden(f"{path}.type", f"{what} type in annotation and field must match")
    elif profile["type"] == "Localhost" and annotation.removeprefix(_LOCALHOST) != profile.get("localhostProfile"):
        yield Cause.forbidden(f"{path}.localhostProfile", f"{what} profile in annotation and field must match")


def apparmor_profile(annotation: str) -> Plain | None:
    """Return the AppArmor profile that an annotation stands for, None if it is none."""
    if annotation.startswith(_LOCALHOST):
        return {"type": "Localhost", "localhostProfile": annotation.removeprefix(_LOCALHOST)}
    kind = {_UNCONFINED: "Unconfined", _RUNTIME: "RuntimeDefault"}.get(annotation)
    return {"type": kind} if kind else None


def apply_apparmor(pod: Plain) -> list[str]:
    """Put the AppArmor annotations of a new pod into the fields that replaced them; return what is warned about."""
    annotations: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    spec = pod["spec"]
    if not any(key.startswith(APPARMOR) for key in annotations) or (spec.get("os") or {}).get("name") == "windows":
        return []
    warnings: list[str] = []
    whole: Any = spec["securityContext"].get("appArmorProfile")
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        key = APPARMOR + container["name"]
        own = container.get("securityContext") or {}
        if key not in annotations or "appArmorProfile" in own:
            continue
        profile = apparmor_profile(annotations[key])
        if profile and list(apparmor_profile_causes(profile, "")):
            profile = None
        if profile and profile != whole:
            container["securityContext"] = {**own, "appArmorProfile": profile}
        if profile is None or profile != whole:
            path = f"metadata.annotations[{key}]"
            warnings.append(f'{path}: deprecated since v1.30; use the "appArmorProfile" field instead')
    return warnings


def annotation_change_causes(new: Mapping[str, str], old: Mapping[str, str], path: str) -> Iterator[Cause]:
    """Yield a cause for each annotation of a pod that must not change."""
    for key in old:
        if new.get(key) != old[key]:
            if key.startswith(APPARMOR):
                yield Cause.forbidden(f"{path}[{key}]", "may not remove or update AppArmor annotations")
            if key == MIRROR:
                yield Cause.forbidden(f"{path}[{key}]", "may not remove or update mirror pod annotation")
    for key in new:
        if key not in old:
            if key.startswith(APPARMOR):
                yield Cause.forbidden(f"{path}[{key}]", "may not add AppArmor annotations")
            if key == MIRROR:
                yield Cause.forbidden(f"{path}[{key}]", "may not add mirror pod annotation")
