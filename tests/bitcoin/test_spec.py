"""Every wrong spec is refused by the server, with a sentence that says what to write; every other one is understood."""

from __future__ import annotations

import functools
import re
from typing import Any

import msgspec
import pytest
from hypothesis import event, given

from ctrlkit.bitcoin.layout import desired_objects, groups_of, refused_spec
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork
from ctrlkit.bitcoin.network_v1 import BITCOIN_NETWORKS_V1
from ctrlkit.bitcoin.rotation import ConfigState
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.crd import definition_of
from ctrlkit.errors import BadRequest, Invalid
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import ApplyPatch, MergePatch, Options, Unstructured, to_plain
from tests.bitcoin.any_network import Plain, networks
from tests.bitcoin.specs import (
    AS_KUBECTL,
    CHANGES,
    GOOD_CHANGES,
    NAMES,
    NETWORKS,
    RIGHT,
    WRONG,
    Mistake,
    Spec,
    causes_of,
    mistakes,
    network,
    read_by_a_person,
)

KEY = "default/net"
GONE_AT_ONCE, AS_US = Options(grace_period_s=0), Options(field_manager="bitcoin-controller")


@functools.cache
def server() -> Tracker:
    """A server that has the kind; each test leaves it without networks."""
    return FakeClientset(None, definition_of(BITCOIN_NETWORKS, BITCOIN_NETWORKS_V1)).tracker


@pytest.fixture
def tracker() -> Any:
    """The server, emptied afterwards."""
    yield server()
    for each in server().list(NETWORKS, "default"):
        server().delete(NETWORKS, each.key, GONE_AT_ONCE)


def assert_refused(refused: pytest.ExceptionInfo[Invalid], field: str, sentence: str) -> None:
    """One of the causes has this field and this sentence."""
    causes = causes_of(refused.value)
    assert [said for at, said in causes if at == field and sentence in said], causes


@pytest.mark.parametrize("name", RIGHT)
def test_what_can_be_is_taken_and_understood(tracker: Tracker, name: str) -> None:
    """The server takes it, the controller's type reads it, and nothing of what was said is dropped."""
    stored = tracker.create(NETWORKS, network(RIGHT[name]))
    assert _has(stored["spec"], RIGHT[name])
    read = msgspec.convert(stored, BitcoinNetwork).spec
    assert _has(msgspec.to_builtins(read), RIGHT[name])
    assert refused_spec(read) == ""


def _has(stored: Any, said: Any) -> bool:
    """Whether what is stored has all that was said; what is empty need not be there."""
    if isinstance(said, dict):
        return all(_has(stored[name], value) if name in stored else not value for name, value in said.items())
    if isinstance(said, list):
        return len(stored) == len(said) and all(map(_has, stored, said))
    return bool(stored == said)


@pytest.mark.parametrize(("spec", "field", "sentence"), WRONG)
def test_a_wrong_spec_is_refused_with_a_sentence(tracker: Tracker, spec: Spec, field: str, sentence: str) -> None:
    """It names the field, the fact, and what to write."""
    with pytest.raises(Invalid) as refused:
        tracker.create(NETWORKS, network(spec))
    assert_refused(refused, field, sentence)


@pytest.mark.parametrize("mistake", mistakes(), ids=lambda mistake: mistake.written.replace("\n", " "))
def test_a_likely_mistake_is_answered_as_written_down(tracker: Tracker, mistake: Mistake) -> None:
    """As kubectl applies it; the judge holds a real server to the same."""
    resource = NETWORKS if mistake.version == "v2" else BITCOIN_NETWORKS_V1.of(Unstructured)
    with pytest.raises((Invalid, BadRequest)) as refused:
        tracker.create(resource, mistake.network(), AS_KUBECTL)
    assert read_by_a_person(refused.value) == mistake.answer


def test_a_mistake_leads_to_one_line_that_shows_no_pattern() -> None:
    """But for what the server itself says twice: of a number that is none, and of a value of another type."""
    for mistake in mistakes():
        assert len([line for line in mistake.answer if not re.search(_OF_TYPES, line)]) <= 1, mistake
        assert not [line for line in mistake.answer if re.search("should match|evaluating rule", line)], mistake


_OF_TYPES = "must be of type|accessor error|non-negative integer"


@pytest.mark.parametrize(("before", "patch", "field", "sentence"), CHANGES)
def test_what_cannot_change_is_refused_with_a_sentence(
    tracker: Tracker, before: Spec, patch: Spec, field: str, sentence: str
) -> None:
    """The chain of nodes that are there, and the claims that hold it."""
    tracker.create(NETWORKS, network(before))
    with pytest.raises(Invalid) as refused:
        tracker.patch(NETWORKS, KEY, MergePatch({"spec": patch}))
    assert_refused(refused, field, sentence)


@pytest.mark.parametrize(("before", "patch"), GOOD_CHANGES)
def test_what_can_change_is_taken(tracker: Tracker, before: Spec, patch: Spec) -> None:
    """A claim grows, a group comes and goes."""
    tracker.create(NETWORKS, network(before))
    tracker.patch(NETWORKS, KEY, MergePatch({"spec": patch}))


@given(networks(BITCOIN_NETWORKS))
def test_for_any_network_that_the_server_stores_the_controller_can_read_it(given_network: Plain) -> None:
    """No object of the kind stops the controller, which refuses only what an older definition let through."""
    try:
        stored = server().create(NETWORKS, given_network)
    except Invalid:
        event("refused")
        return
    event("stored")
    server().delete(NETWORKS, KEY, GONE_AT_ONCE)
    read = msgspec.convert(stored, BitcoinNetwork)
    assert _has(msgspec.to_builtins(read.spec), given_network["spec"])
    assert refused_spec(read.spec) == ""


@given(networks(BITCOIN_NETWORKS))
def test_for_any_network_that_the_server_stores_it_takes_what_the_controller_makes(given_network: Plain) -> None:
    """What an affinity says inside is the one thing that it looks at only then, and the status tells."""
    for one in (given_network["spec"], *given_network["spec"].get("groups", ())):
        one.pop("affinity", None)
    try:
        stored = server().create(NETWORKS, given_network)
    except Invalid:
        return
    server().delete(NETWORKS, KEY, GONE_AT_ONCE)
    read = msgspec.convert(stored, BitcoinNetwork)
    state = ConfigState(Credentials(user="u", password="p"), ("u:5a17$c0de",))
    images = dict.fromkeys(groups_of(read.spec), "a/b:29")
    for resource, made in desired_objects(read, state, images):
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **to_plain(made)}
        name = body["metadata"]["name"]
        applied = server().patch(resource.of(Unstructured), f"default/{name}", ApplyPatch(body), options=AS_US)
        server().delete(resource, applied.key, GONE_AT_ONCE)


@pytest.mark.parametrize(("name", "group", "fits"), [("n" * 45, "ab", True), ("n" * 46, "ab", False)])
def test_a_network_and_its_groups_have_names_that_labels_can_carry(
    tracker: Tracker, name: str, group: str, fits: bool
) -> None:
    """StatefulSets put their own name and a hash of ten letters into a label of each pod: 63 characters in all."""
    assert (len(f"{name}-sts-{group}-0123456789") <= 63) == fits
    body = network({"nodes": 1, "groups": [{"name": group, "nodes": 1}]}, name)
    if fits:
        tracker.create(NETWORKS, body)
        return
    with pytest.raises(Invalid) as refused:
        tracker.create(NETWORKS, body)
    assert_refused(refused, "spec.groups", "have 47 characters together at most")


def test_a_network_without_groups_may_have_a_longer_name(tracker: Tracker) -> None:
    """As many letters as before; the limit counts for names that the server makes of a generateName, too."""
    taken, refused = [], []
    for metadata in NAMES:
        body = {**network({"nodes": 1}), "metadata": {"namespace": "default", **metadata}}
        try:
            taken.append(tracker.create(NETWORKS, body).metadata.name[:43])
        except Invalid as error:
            refused += [field for field, _ in causes_of(error) if field == "metadata.name"][:1]
    assert taken == ["n" * 43, "n" * 42 + "-"]
    assert len(taken) + len(refused) == len(NAMES)
    with pytest.raises(Invalid, match="may not be more than 48"):
        tracker.patch(
            NETWORKS,
            "default/" + "n" * 49,
            ApplyPatch(network({"nodes": 1}, "n" * 49)),
            options=Options(field_manager="a"),
        )


async def test_the_scale_of_both_versions_has_a_selector_and_pods_for_an_autoscaler(tracker: Tracker) -> None:
    """A HorizontalPodAutoscaler asks for the pods of the selector, and counts them."""
    tracker.create(NETWORKS, network({"nodes": 3}))
    status = {"replicas": 2, "readyNodes": 1, "selector": "a.example.com/network=net"}
    tracker.patch(NETWORKS, KEY, MergePatch({"status": status}), subresource="status")
    for version in (BITCOIN_NETWORKS, BITCOIN_NETWORKS_V1):
        scale = tracker.get(version, KEY, subresource="scale")
        assert (scale.at("spec.replicas"), scale["status"]) == (3, {"replicas": 2, "selector": status["selector"]})


def test_each_rule_says_what_to_write_and_is_shown_above() -> None:
    """A rule without a wrong spec of its own fails here."""
    shown = {sentence for _, _, sentence in WRONG} | {sentence for _, _, _, sentence in CHANGES}
    shown.add("have 47 characters together at most")
    shown |= {line.partition("Invalid value: ")[2] for mistake in mistakes() for line in mistake.answer}
    for message in _messages(definition_of(BITCOIN_NETWORKS)):
        assert re.search(r"\b(write|say|make|name another|take it out|take out)\b", message), message
        assert any(sentence in message or message in sentence for sentence in filter(None, shown)), message


def _messages(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_messages, schema))
    if not isinstance(schema, dict):
        return set()
    rules = schema.get("x-kubernetes-validations", ())
    own = {rule["message"] for rule in rules if "messageExpression" not in rule}
    return own.union(*map(_messages, schema.values()))
