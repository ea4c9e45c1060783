"""
How the image of a container comes to a node: pull policies, back-off, and what a kubelet tells of it.

`PullBackoff` and `policy_of` are pure. `Pulls` asks the runtime; which node has which image is kept there, as one
runtime serves all nodes. Images stay on a node that is lost, or whose machine boots anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ctrlkit import clock
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster.node.durations import go_duration
from ctrlkit.fakes.cluster.node.images.references import InvalidImageName, parse_image, with_default_tag
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused, PulledImage, PullFailed, Runtime
from ctrlkit.fakes.cluster.node.telling import Tell

PULL_BASE_S = 10.0
PULL_CAP_S = 300.0
_REGISTRY_ERRORS = {
    "RegistryUnavailable": "the registry is unavailable",
    "SignatureValidationFailed": "the signature validation failed",
}


class ImageRefused(ContainerRefused):
    """A container waits for its image; the reason is that of its state."""


@dataclass(slots=True)
class _Failures:
    delay_s: float
    failed_at: float
    error: str


@dataclass(slots=True)
class PullBackoff:
    """
    When a failed pull is tried again: after ten seconds, then twice as late each time, up to five minutes.

    >>> backoff = PullBackoff()
    >>> for moment in (0.0, 11.0, 31.0):
    ...     backoff.fail("uid", "web:2", now=moment, error="ErrImagePull: not found")
    ...     print(backoff.delay_s("uid", "web:2"), end=" ")
    10.0 20.0 40.0
    >>> backoff.error("uid", "web:2", now=70.9), backoff.error("uid", "web:2", now=71.0)
    ('ErrImagePull: not found', None)

    Shape   Each image of a pod, by the pod's uid, has its own; containers that have the image in common have it too.
            What did not fail for twice the longest delay begins anew.
    """

    base_s: float = PULL_BASE_S
    cap_s: float = PULL_CAP_S
    _failures: dict[tuple[str, str], _Failures] = field(default_factory=dict, init=False)

    def fail(self, pod_uid: str, image: str, *, now: float, error: str) -> None:
        """Note that a pull has failed."""
        before = self._fresh(pod_uid, image, now)
        delay_s = self.base_s if before is None else min(before.delay_s * 2, self.cap_s)
        self._failures[pod_uid, image] = _Failures(delay_s, now, error)

    def delay_s(self, pod_uid: str, image: str) -> float:
        """Return how long the next pull is put off, from the last failure on."""
        found = self._failures.get((pod_uid, image))
        return found.delay_s if found else 0.0

    def error(self, pod_uid: str, image: str, *, now: float) -> str | None:
        """Return how the last pull failed, if it is too early for another; else None."""
        found = self._fresh(pod_uid, image, now)
        return found.error if found is not None and now - found.failed_at < found.delay_s else None

    def forget(self, pod_uid: str) -> None:
        """Forget a pod that is gone."""
        for key in [key for key in self._failures if key[0] == pod_uid]:
            del self._failures[key]

    def _fresh(self, pod_uid: str, image: str, now: float) -> _Failures | None:
        found = self._failures.get((pod_uid, image))
        return found if found is not None and now - found.failed_at <= 2 * self.cap_s else None


def policy_of(container: Mapping[str, Any]) -> str:
    """
    Return when the image of a container is pulled: Always, IfNotPresent or Never.

    >>> policy_of({"image": "web:2"}), policy_of({"image": "web"}), policy_of({"imagePullPolicy": "Never"})
    ('IfNotPresent', 'Always', 'Never')
    """
    given = container.get("imagePullPolicy")
    if given:
        return str(given)
    try:
        reference = parse_image(container.get("image") or "")
    except InvalidImageName:
        return "IfNotPresent"
    return "Always" if reference.tag == "latest" or not (reference.tag or reference.digest) else "IfNotPresent"


@dataclass(slots=True)
class Pulls:
    """
    Brings images to nodes, each node one after another.

    Errors  ImageRefused, with the kubelet's reason and message, from `ensure`.
    """

    runtime: Runtime
    backoff: PullBackoff = field(default_factory=PullBackoff)
    _there: dict[str, dict[str, PulledImage]] = field(default_factory=dict, init=False)
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict, init=False)

    def present(self, node: str, container: Mapping[str, Any], tell: Tell) -> PulledImage | None:
        """Return the image of a container, if its node has it and it need not be pulled; else None."""
        image = str(container.get("image") or "")
        there = self._there.get(node)
        if policy_of(container) == "Always":
            return None
        try:
            found = there.get(str(parse_image(image))) if there is not None else None
            found = found or self.runtime.preloaded(image)
        except InvalidImageName:
            return None
        if found is not None:
            text = f'Container image "{image}" already present on machine and can be accessed by the pod'
            tell(EventType.NORMAL, "Pulled", text)
        return found

    async def ensure(self, node: str, pod_uid: str, container: Mapping[str, Any], tell: Tell) -> PulledImage:
        """Return the image of a container, after pulling it if its policy says so."""
        image = str(container.get("image") or "")
        try:
            with_default_tag(image)
        except InvalidImageName as error:
            message = f'Failed to apply default image tag "{image}": {error}'
            tell(EventType.WARNING, "InspectFailed", message)
            raise ImageRefused("InvalidImageName", message) from None
        found = self.present(node, container, tell)
        if found is not None:
            return found
        if policy_of(container) == "Never":
            message = f'Container image "{image}" is not present with pull policy of Never'
            tell(EventType.WARNING, "ErrImageNeverPull", message)
            raise ImageRefused("ErrImageNeverPull", message)
        return await self._pull(node, pod_uid, image, tell)

    async def _pull(self, node: str, pod_uid: str, image: str, tell: Tell) -> PulledImage:
        asked_at = clock.monotonic()
        error = self.backoff.error(pod_uid, image, now=asked_at)
        if error is not None:
            message = f'Back-off pulling image "{image}"'
            tell(EventType.NORMAL, "BackOff", message)
            raise ImageRefused("ImagePullBackOff", f"{message}: {error}")
        tell(EventType.NORMAL, "Pulling", f'Pulling image "{image}"')
        try:
            async with self._turns.setdefault(node, asyncio.Lock()):
                began_at = clock.monotonic()
                found = await self.runtime.pull(image)
        except PullFailed as failure:
            tell(EventType.WARNING, "Failed", f'Failed to pull image "{image}": {failure}')
            reason, message = _reason_of(image, str(failure))
            self.backoff.fail(pod_uid, image, now=clock.monotonic(), error=f"{reason}: {message}")
            raise ImageRefused(reason, message) from None
        self._there.setdefault(node, {})[str(parse_image(image))] = found
        now = clock.monotonic()
        took, waited = (go_duration(round(now - since, 3)) for since in (began_at, asked_at))
        text = f'Successfully pulled image "{image}" in {took} ({waited} including waiting). '
        tell(EventType.NORMAL, "Pulled", f"{text}Image size: {found.size_bytes} bytes.")
        return found


def _reason_of(image: str, error: str) -> tuple[str, str]:
    """
    Return the reason and message of a failed pull: some errors have one of their own.

    >>> _reason_of("web:2", "RegistryUnavailable: try later")
    ('RegistryUnavailable', 'image pull failed for web:2 because the registry is unavailable: try later')
    """
    for reason, fact in _REGISTRY_ERRORS.items():
        if error.startswith(reason):
            return reason, f"image pull failed for {image} because {fact}{error.removeprefix(reason)}"
    return "ErrImagePull", error
