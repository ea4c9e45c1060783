"""The names, labels and selectors of a program's objects, as they are without a chart and in one."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ctrlkit.deploy.places import Block, Place, Tree, joined
from ctrlkit.deploy.program import Program

WEBHOOKS_SUFFIX: Final = "-webhooks"
CERTIFICATES_SUFFIX: Final = "-webhooks-tls"
"""Of the Secret that cert-manager makes; the program's own has the first name."""
NAMESPACE_MARK: Final = "@namespace@"
WEBHOOKS_MARK: Final = "@webhooks@"
"""What stands in data for the namespace of a release, and for the one name of all that belongs to its webhooks."""


class Names(NamedTuple):
    """
    What objects of a program are called.

    >>> Names(Program(name="greeter")).of("-metrics")
    Place(expression='printf "%s-metrics" (include "greeter.fullname" $)', plain='greeter-metrics')
    """

    program: Program

    def of(self, suffix: str = "") -> Place:
        """The name of an object: that of the release, and a suffix."""
        full = Place(self.included("fullname"), self.program.name)
        return joined(f"%s{suffix}", full) if suffix else full

    @property
    def namespace(self) -> Place:
        """Where the program runs."""
        return Place("$.Release.Namespace", self.program.own_namespace)

    @property
    def account(self) -> Place:
        """The name of the service account."""
        return Place(self.included("serviceAccountName"), self.program.name)

    @property
    def selector(self) -> Block:
        """The labels by which the program's pods are found."""
        return Block(self.included("selectorLabels"), self._selector)

    @property
    def _selector(self) -> dict[str, str]:
        return {"app.kubernetes.io/name": self.program.name, "app.kubernetes.io/instance": self.program.name}

    @property
    def pod_labels(self) -> Block:
        """The labels of pods."""
        return Block(self.included("podLabels"), self._labels)

    @property
    def labels(self) -> Block:
        """The labels of every object."""
        return Block(self.included("labels"), self._labels)

    def labels_and(self, path: str, **usual: str) -> Block:
        """The labels of an object, and those that a value of the chart adds to them; without a chart the usual ones."""
        return Block(self.included("labelsAnd", f"(list $ $.Values.{path})"), {**self._labels, **usual})

    @property
    def _labels(self) -> dict[str, str]:
        return {
            **self._selector,
            "app.kubernetes.io/version": self.program.version,
            "app.kubernetes.io/component": "controller",
            "app.kubernetes.io/part-of": self.program.name,
        }

    def included(self, helper: str, what: str = "$") -> str:
        """The expression of a helper of the chart."""
        return f'include "{self.program.name}.{helper}" {what}'

    def metadata(self, suffix: str = "", **more: Any) -> dict[str, Any]:
        """The metadata of an object in the program's namespace."""
        return {"name": self.of(suffix), "namespace": self.namespace, "labels": self.labels, **more}

    def cluster_metadata(self, suffix: str = "", **more: Any) -> dict[str, Any]:
        """The metadata of an object that is in no namespace."""
        return {"name": self.of(suffix), "labels": self.labels, **more}

    def placed(self, tree: Any) -> Tree:
        """A tree with places where its marks are."""
        match tree:
            case dict():
                return {key: self.placed(value) for key, value in tree.items()}
            case list() | tuple():
                return [self.placed(value) for value in tree]
            case str() if tree == NAMESPACE_MARK:
                return self.namespace
            case str() if tree == WEBHOOKS_MARK:
                return self.of(WEBHOOKS_SUFFIX)
        return tree
