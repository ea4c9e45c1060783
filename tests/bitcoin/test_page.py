"""docs/bitcoin.md, the page for people who keep networks, says what the code does."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from typing import Any

import msgspec
import pytest
import yaml

from ctrlkit.bitcoin import (
    asking,
    caches,
    causes,
    credentials,
    event_reader,
    layout,
    mesh,
    owned,
    providing,
    reconciler,
    texts,
)
from ctrlkit.bitcoin.bitcoin_conf import DBCACHE_MIB, refused_value
from ctrlkit.bitcoin.layout import config_secret, desired_objects, groups_of
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork, NodeOptions, NodeState, Spec, Storage
from ctrlkit.bitcoin.network_v1 import BITCOIN_NETWORKS_V1
from ctrlkit.bitcoin.reasons import WARNINGS, Reason
from ctrlkit.bitcoin.rotation import ConfigState, auth_line
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.bitcoin.rules import (
    BESIDE_DBCACHE_MIB,
    EXTRA_MAX,
    LINE,
    LONGEST_NAMES,
    MEMORY_MIN_MIB,
    NODES_MAX,
    OWN_OPTION,
    SIZE_MIN,
)
from ctrlkit.bitcoin.versions import BARRIERS, DEFAULT_IMAGE, chosen_image, options_of, version_of
from ctrlkit.crd import definition_of
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, STATEFULSETS
from tests.support.kubectl import KUBECTL, needs_kubectl
from tests.support.snippets import ROOT

PAGE = (ROOT / "docs" / "bitcoin.md").read_text(encoding="utf-8")
MANIFESTS = [
    manifest
    for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for manifest in yaml.safe_load_all(block)
]
COMMANDS = re.findall(r"^    (kubectl .*)$", PAGE, re.MULTILINE)
KINDS = {one.kind: one for one in (BITCOIN_NETWORKS.of(Unstructured), PERSISTENT_VOLUME_CLAIMS)}
LOGIN = Credentials(user="u", password="p")
STATE = ConfigState(LOGIN, (auth_line(LOGIN, "5a17"),))


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda one: one["metadata"]["name"])
def test_every_manifest_is_taken_and_makes_what_servers_take(manifest: dict[str, Any]) -> None:
    """The network, and each object that the controller makes of it."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
    tracker = FakeClientset(None, namespace, definition_of(BITCOIN_NETWORKS, BITCOIN_NETWORKS_V1)).tracker
    stored = tracker.create(KINDS[manifest["kind"]], manifest)
    if manifest["kind"] != "BitcoinNetwork":
        return
    network = msgspec.convert(stored, BitcoinNetwork)
    groups = groups_of(network.spec)
    assert [refused_value(network.spec, options_of(network.spec, group)) for group in groups] == [""] * len(groups)
    images = {group: chosen_image(options_of(network.spec, group), None) for group in groups}
    for resource, body in desired_objects(network, STATE, images):
        tracker.create(resource.of(Unstructured), body)
    assert config_secret(network, STATE)["metadata"]["name"] == f"{network.metadata.name}-config"
    assert len(tracker.list(STATEFULSETS, "demo")) == len(groups)


@pytest.mark.real_time
@needs_kubectl
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_kubectl_is_understood(command: str) -> None:
    """Its subcommand and its flags; a patch is JSON."""
    _, verb, *rest = shlex.split(command)
    asked = subprocess.run([KUBECTL, verb, "--help", *rest], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    assert f"kubectl {verb}" in asked.stdout
    if "-p" in rest:
        json.loads(rest[rest.index("-p") + 1])


def _rows(heading: str) -> dict[str, list[str]]:
    """The rows of the table behind a heading, by their first cell."""
    table = PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0]
    rows = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in table.splitlines()[2:]]
    return {first: rest for first, *rest in rows}


def test_every_reason_has_its_row_and_warnings_are_bold() -> None:
    """With what it means and what to do."""
    rows = _rows("reason")
    wanted = {f"**{one}**" if one in WARNINGS else str(one) for one in Reason}
    assert set(rows) == wanted
    assert all(len(rest) == 2 for rest in rows.values())


def test_every_state_and_every_field_is_explained() -> None:
    """Of nodes, and of the spec and its storage."""
    assert set(_rows("state")) == {f"`{one}`" for one in NodeState}
    names = [field.encode_name for kind in (Spec, NodeOptions, Storage) for field in msgspec.structs.fields(kind)]
    assert [name for name in names if f"`{name}" not in PAGE and f".{name}" not in PAGE] == []


def test_what_a_cause_begins_with_is_what_the_code_says() -> None:
    """Each piece of its table."""
    said = (ROOT / "controllers" / "bitcoin" / "causes.py").read_text()
    pieces = re.findall(r"`([^`]+)`", " ".join(_rows("it begins")))
    assert pieces
    for piece in pieces:
        assert all(part.strip() in said for part in piece.split("...")), piece


def test_each_line_of_bitcoin_conf_that_is_advised_may_be_said() -> None:
    """By the patterns of the definition; those in tables and in messages of causes."""
    said = PAGE + (ROOT / "controllers" / "bitcoin" / "causes.py").read_text()
    advised = re.findall(r"\b(reindex=1)", said)
    assert advised
    for line in advised:
        assert re.fullmatch(LINE.strip("^$"), line)
        assert not re.match(OWN_OPTION, line)


def test_numbers_are_those_of_the_code() -> None:
    """In the table of limits, and where else a number is said."""
    rows = _limits()
    assert rows["nodes of a network, all groups together"] == f"{NODES_MAX}"
    assert rows["one pass over all nodes of a network"].startswith(f"{asking.BUDGET_S:g} s")
    assert rows["entries of one node's list that a pass changes"] == f"{asking.CHANGES_MAX}"
    assert f"up to {asking.AGAIN_S:g} s" in rows["a settled network's nodes are asked"]
    assert rows["a new connection is waited for"].startswith(f"{asking.YOUNG_S:g} s")
    assert f"had {asking.EARLIER_S:g} s before" in rows["a node is behind"]
    assert f"fails {asking.FALLS_MAX} times within {asking.STEADY_S:g} s" in PAGE
    assert rows["changes of a network's pods, claims and other objects"] == f"are gathered for {caches.BATCH_S:g} s"
    for row in ("new pods are told of without what their nodes answer", "a new network is told of without its pods"):
        assert rows[row] == f"after {reconciler.TELL_AFTER_S:g} s"
    assert rows["a start, with what it replays or reindexes"] == f"{layout.STARTUP_LIMIT_S // 3600} h"
    assert f"more than {asking.NEWS_MAX} times" in PAGE
    assert f"after {owned.GROW_RETRY_S / 60:g} minutes" in rows["a claim that may not grow"]
    assert f"together with that of a group {LONGEST_NAMES}" in rows["characters of a network's name"]
    assert f"{EXTRA_MAX:,} characters in all" in rows["lines in `extra`"]
    within_s = causes.PLACED_WITHIN.total_seconds()
    assert rows["a pod may wait for its volume and its place"].startswith(f"{within_s:g} s")
    assert f"Texts of others are cut at {texts.TEXT_MAX} characters" in PAGE
    after, again, most = event_reader.EVENTS_AFTER_S, event_reader.EVENTS_AGAIN_S, event_reader.EVENTS_OBJECTS_MAX
    assert f"Events are read {after:g} s after" in PAGE
    assert f"then every {again:g} s, of at most {most} objects" in PAGE
    assert f"a quarter of the memory limit where only that is said, else {DBCACHE_MIB}" in PAGE
    assert f"leaves a node {BESIDE_DBCACHE_MIB} MiB beside it, so without `dbcacheMiB` it is {MEMORY_MIN_MIB}Mi" in PAGE
    assert f"{SIZE_MIN} at the least" in PAGE
    assert f"a password of {credentials.PASSWORD_BYTES} random bytes" in PAGE
    assert f"read again every {providing.REREAD_S:g} s" in PAGE
    assert f"every {providing.REREAD_SOON_S:g} s while a pod" in PAGE
    assert f"holds {mesh.MANUAL_MAX} such connections. Up to {2 * mesh.MANUAL_MAX + 1} nodes" in PAGE
    assert f"the controller's default, `{DEFAULT_IMAGE}`" in PAGE
    assert f"the\nlast at {version_of(BARRIERS[0].version)}" in PAGE


def _limits() -> dict[str, str]:
    table = PAGE.partition("## Limits\n\n| | |\n|---|---|\n")[2].partition("\n\n")[0]
    return dict(line.strip("| ").split(" | ", 1) for line in table.splitlines())
