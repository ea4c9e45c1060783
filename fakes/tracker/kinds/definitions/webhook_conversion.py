"""Conversion of custom resources by a webhook, as a definition's `spec.conversion` names it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.exchanges import Answered, Question
from ctrlkit.fakes.tracker.kinds.metadata import annotation_causes, label_causes
from ctrlkit.fakes.tracker.refusals import Cause, plain_failure

Plain = dict[str, Any]
Object = Mapping[str, Any]

_VERSIONS = ("v1", "v1beta1")
_THEIRS = ("labels", "annotations")
"""What a webhook may change of the metadata."""

_CHECKED: Mapping[str, tuple[str, Callable[[Plain | None, str], Iterable[Cause]]]] = {
    "labels": ("metadata.labels", label_causes),
    "annotations": ("metadata.annotation", annotation_causes),
}
"""Which rules they keep where it changes them, and how the server calls them."""

_SAME = (("name", "name"), ("namespace", "namespace"), ("uid", "UID"))


@dataclass(frozen=True, slots=True)
class WebhookConversion:
    """
    Converts objects of a kind by asking a webhook, one at a time.

    Errors  Unanswered if the answer is not there; an ApiError without a reason if the webhook does not convert.
    """

    definition: str
    group: str
    kind: str
    webhook: Object = field(hash=False)

    @staticmethod
    def of(definition: Object) -> WebhookConversion | None:
        """Return the conversion of a definition, None if it has no webhook."""
        spec = definition["spec"]
        conversion = spec.get("conversion") or {}
        if conversion.get("strategy") != "Webhook":
            return None
        name = definition["metadata"]["name"]
        return WebhookConversion(name, spec["group"], spec["names"]["kind"], conversion.get("webhook") or {})

    def __call__(self, plain: Object, version: str, wanted: str) -> Plain:
        """Convert an object from one version to another."""
        if version == wanted:
            return dict(plain)
        question = self._question(plain, version, wanted)
        (answered,) = exchanges.answers([question])
        try:
            return self._converted(question, answered, plain, wanted)
        except _Failed as error:
            text = f"conversion webhook for {self.group}/{version}, Kind={self.kind} {error}"
            raise plain_failure(text) from None

    def _question(self, plain: Object, version: str, wanted: str) -> Question:
        metadata = {name: value for name, value in plain["metadata"].items() if name != "resourceVersion"}
        whole = {"apiVersion": f"{self.group}/{version}", "kind": self.kind, **plain, "metadata": metadata}
        request = {"desiredAPIVersion": f"{self.group}/{wanted}", "objects": [whole]}
        head = {"kind": "ConversionReview", "apiVersion": f"apiextensions.k8s.io/{self._review_version}"}
        return Question(
            kind="converting",
            configuration=self.definition,
            name=self.definition,
            client=self.webhook.get("clientConfig") or {},
            review=msgspec.json.encode({**head, "request": request}, order="sorted"),
            timeout_s=exchanges.REQUEST_S,
        )

    @property
    def _review_version(self) -> str:
        versions = self.webhook.get("conversionReviewVersions") or ()
        return str(next((version for version in versions if version in _VERSIONS), "v1"))

    def _converted(self, question: Question, answered: Answered, plain: Object, wanted: str) -> Plain:
        found = self._objects(question, answered)
        if len(found) != 1:
            raise _Failed(f"returned {len(found)} objects, expected 1")
        converted = found[0] if isinstance(found[0], dict) else {}
        group, _, version = str(converted.get("apiVersion") or "").rpartition("/")
        given, expected = f"{group}/{version}".strip("/"), f"{self.group}/{wanted}"
        start = "returned invalid object"
        if given != expected:
            raise _Failed(f"{start} at index 0: invalid groupVersion (expected {expected}, received {given})")
        if converted.get("kind") != self.kind:
            kinds = f"(expected {self.kind}, received {converted.get('kind') or ''})"
            raise _Failed(f"{start} at index 0: invalid kind {kinds}")
        metadata = converted.get("metadata")
        had = plain["metadata"]
        for name, shown in _SAME:
            new = (metadata or {}).get(name) or "" if isinstance(metadata, dict | None) else ""
            if new != (had.get(name) or ""):
                raise _Failed(f"{start}: must have the same {shown}: {had.get(name) or ''} != {new}")
        if not isinstance(metadata, dict):
            raise _Failed("returned invalid metadata: missing metadata in converted object")
        kept = {name: value for name, value in had.items() if name not in _THEIRS}
        theirs = {name: metadata[name] for name in _THEIRS if metadata.get(name)}
        for name, (path, causes_of) in _CHECKED.items():
            causes = [] if theirs.get(name) == had.get(name) else [*causes_of(theirs.get(name), path)]
            if causes:
                texts = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
                raise _Failed(f"returned invalid metadata: {texts if len(causes) == 1 else f'[{texts}]'}")
        rest = {name: value for name, value in converted.items() if name not in ("kind", "apiVersion", "metadata")}
        return {"metadata": kept | theirs, **rest}

    def _objects(self, question: Question, answered: Answered) -> list[Any]:
        """Return the objects in an answer. Errors: _Failed."""
        from ctrlkit.fakes.tracker.plugins.replies import NotAnswered, read_document  # noqa: PLC0415  # needs admission

        try:
            review = read_document(question, answered.reply)
        except NotAnswered as error:
            raise _Failed(f"failed: {error}") from None
        response = review.get("response")
        if self._review_version == "v1":
            wanted = "apiextensions.k8s.io/v1, Kind=ConversionReview"
            named = f"{review.get('apiVersion') or '/'}, Kind={review.get('kind') or ''}"
            if named != wanted:
                raise _Failed(f"failed: expected webhook response of {wanted}, got {named}")
        if not isinstance(response, dict):
            raise _Failed("failed: no response provided")
        uid = response.get("uid") or ""
        if self._review_version == "v1" and uid != answered.uid:
            raise _Failed(f'failed: expected response.uid="{answered.uid}", got "{uid}"')
        result = response.get("result") or {}
        if result.get("status") != "Success":
            said = f"response.result.status was '{result.get('status') or ''}', not 'Success'"
            raise _Failed(f"failed: {result.get('message') or said}")
        return list(response.get("convertedObjects") or ())


class _Failed(Exception):
    """A webhook did not convert an object."""
