"""
The controller that checks the expressions of validating policies by the types of what they match.

A server takes a policy whose expressions do not fit; what does not is said in its status.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.fakes.releases import NEWEST
from ctrlkit.fakes.tracker.cel.admission import TypeChecker
from ctrlkit.fakes.tracker.cel.kind_types import declared_custom, declared_kind
from ctrlkit.fakes.tracker.cel.schemas import Decl
from ctrlkit.fakes.tracker.schema.types import Types, types_of
from ctrlkit.manager import Manager
from ctrlkit.model import OnConflict, Unstructured
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS, VALIDATING_ADMISSION_POLICIES

Kind = tuple[str, str, str]
"""A group, a version and a kind."""

_MANAGER = "validatingadmissionpolicy-status"
_KINDS_MAX = 10


@dataclass(frozen=True, slots=True)
class PolicyTypes:
    """Reconciles ValidatingAdmissionPolicies."""

    client: Client
    policies: Lister[Unstructured]
    types: Types

    async def reconcile(self, request: Request) -> Outcome:
        """Check a policy of which a newer generation is there than was checked."""
        policy = self.policies.find(request.key)
        if policy is None:
            return DONE
        generation = policy.at("metadata.generation") or 0
        if (policy.at("status.observedGeneration") or 0) >= generation:
            return DONE
        warnings = list(self._warnings(policy["spec"], await self._custom(policy["spec"])))
        checked = {"expressionWarnings": warnings} if warnings else {}
        fields = {"status": {"observedGeneration": generation, "typeChecking": checked}}
        try:
            await self.client.apply(
                VALIDATING_ADMISSION_POLICIES, request.key, fields, on_conflict=OnConflict.FORCE, subresource="status"
            )
        except (Conflict, NotFound):
            return DONE  # changed or deleted meanwhile: the cache is about to show it
        return DONE

    async def _custom(self, spec: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Return the definitions of the custom kinds that a policy names, by plural and group."""
        names = {
            f"{plural}.{group}" for group, _, plural in _named(spec) if "." in group or group not in self._groups()
        }
        found = {}
        for name in sorted(names):
            try:
                found[name] = (await self.client.get(CUSTOM_RESOURCE_DEFINITIONS, name))["spec"]
            except NotFound:
                continue
        return found

    def _groups(self) -> set[str]:
        return {facts.group for facts in self.types.release.kinds}

    def _warnings(self, spec: Mapping[str, Any], custom: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, str]]:
        kinds = dict(sorted(self._kinds(spec, custom).items()))
        param = spec.get("paramKind")
        checkers = {
            kind: TypeChecker(
                decl,
                self._of_kind(param["apiVersion"], param["kind"]) if param else None,
                has_params=param is not None,
                variables=spec.get("variables") or (),
            )
            for kind, decl in kinds.items()
        }
        for index, validation in enumerate(spec.get("validations") or ()):
            for field in ("expression", "messageExpression"):
                source = validation.get(field)
                found = {kind: checker.problem(source) for kind, checker in checkers.items()} if source else {}
                said = [f"{kind[0]}/{kind[1]}, Kind={kind[2]}: {text}\n" for kind, text in found.items() if text]
                if said:
                    yield {"fieldRef": f"spec.validations[{index}].{field}", "warning": "\n".join(said)}

    def _of_kind(self, api_version: str, kind: str) -> Decl | None:
        facts = (one for one in self.types.release.kinds if (one.api_version, one.kind) == (api_version, kind))
        found = next(facts, None)
        return declared_kind(self.types, found.type) if found else None

    def _kinds(self, spec: Mapping[str, Any], custom: Mapping[str, Mapping[str, Any]]) -> dict[Kind, Decl]:
        """Return the kinds that a policy names, as far as their types are known."""
        by_path = {(one.group, one.version, one.plural): one for one in self.types.release.kinds}
        found: dict[Kind, Decl] = {}
        for group, version, plural in _named(spec):
            facts, definition = by_path.get((group, version, plural)), custom.get(f"{plural}.{group}")
            decl, kind = None, ""
            if facts is not None:
                decl, kind = declared_kind(self.types, facts.type), facts.kind
            elif definition is not None:
                kind = definition["names"]["kind"]
                schemas = [one.get("schema") for one in definition["versions"] if one["name"] == version]
                schema = ((schemas or [None])[0] or {}).get("openAPIV3Schema")
                decl = declared_custom(self.types, schema, kind) if schema else None
            if decl is not None and len(found) < _KINDS_MAX:
                found[group, version, kind] = decl
        return found


def _named(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the groups, versions and plurals that the rules of a policy name, but for wildcards and subresources."""
    for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
        groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
        if any("*" in one for one in (*groups, *versions)):
            continue
        for group in sorted(groups):
            for version in sorted(versions):
                for plural in sorted(rule.get("resources") or ()):
                    if not {"*", "/"} & set(plural):
                        yield group, version, plural


def add_policy_types(manager: Manager, *, server: str = NEWEST) -> None:
    """Add the loop to a manager; `server` is the release whose built-in kinds there are."""
    informer = manager.informer(VALIDATING_ADMISSION_POLICIES)
    client = Client(manager.client.transport, field_manager=_MANAGER)
    loop = PolicyTypes(client, informer.lister, types_of(server))
    manager.add(Controller(name="policy-types", reconcile=loop.reconcile, watches=[Watch(informer, to_self)]))
