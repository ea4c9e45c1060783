"""@kubernetes/client-node and consumers of Swagger documents; client-go and controller-runtime."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.foreign.conftest import Stranger
from tests.foreign.environments import FOLDER, node_program
from tests.support.snippets import files_of, write_files

pytestmark = [pytest.mark.long, pytest.mark.real_time, pytest.mark.timeout(600)]

PROTOBUF = "application/vnd.kubernetes.protobuf"


def printed(stranger: Stranger, name: str) -> list[str]:
    """What a program of node/ printed."""
    node, modules = node_program(), FOLDER / "node" / "node_modules"
    if node is None or not modules.exists():
        pytest.skip("`make foreign` has not made the environment node")
    program = shutil.copy(Path(__file__).parent / "node" / name, stranger.folder)
    (stranger.folder / "node_modules").symlink_to(modules)
    return stranger.run(node, program)


def test_client_node(stranger: Stranger) -> None:
    """Typed objects, each patch, an informer, a kind of one's own, log and exec."""
    assert printed(stranger, "client.mjs") == [
        "deployment: RollingUpdate 0 true",
        "service: ClusterIP",
        "secret: aGk=",
        'informed: add {"k":"1"}',
        'informed: update {"k":"2"}',
        'informed: update {"k":"2","m":"3"}',
        'informed: update {"k":"2","m":"3","s":"4"}',
        'informed: update {"k":"5","m":"3","s":"4"}',
        'informed: delete {"k":"5","m":"3","s":"4"}',
        "cached: 0",
        "train: 3 1",
        "log: 404",
        "exec: true",
        "absent: 404",
    ]


def test_a_client_made_of_openapi_v2(stranger: Stranger) -> None:
    """The document is valid Swagger 2.0, and its operations are enough to work with, for kinds of one's own too."""
    assert printed(stranger, "swagger.mjs") == [
        "document: 2.0 Kubernetes true",
        "valid: Kubernetes",
        "deployment: 201 RollingUpdate swagger",
        "scaled: Scale",
        "found: web,3",
        "patched: true undefined",
        "gone: Success 404 NotFound",
        "refused: 422 Invalid",
        "bell: 422 Invalid",
        'bell: 2 {"type":"object","properties":{"size":{"type":"integer","minimum":1}}}',
    ]


@pytest.mark.parametrize("accept", [PROTOBUF, f"{PROTOBUF},application/json"])
def test_client_go_in_protobuf(stranger: Stranger, accept: str) -> None:
    """Typed clients, typed apply, scale, eviction, leader election: bodies in protobuf, answers as Accept says."""
    assert stranger.run(FOLDER / "go" / "typed", ACCEPT=accept) == [
        "configmap: [MODIFIED MODIFIED MODIFIED MODIFIED MODIFIED DELETED]",
        "deployment: 4 side 5 <nil>",
        "others: ClusterIP true sesame Opaque 6",
        "pod: 1 BestEffort evicted true",
        "exec: refused",
        "election: held by go",
        'election: released ""',
    ]


@pytest.mark.parametrize("content", ["json", "protobuf", "cbor"])
def test_a_controller_with_client_go(stranger: Stranger, content: str) -> None:
    """Informer, queue and apply, whatever the content type: CBOR is asked for, and JSON is what comes."""
    assert stranger.run(FOLDER / "go" / "controller", CONTENT=content) == [
        "ADDED a 1 of ConfigMap",
        "MODIFIED a 2 of ConfigMap",
        "DELETED a 2 of ConfigMap",
    ]


def test_an_operator_with_controller_runtime(stranger: Stranger) -> None:
    """Its manager takes a Lease, its cache fills, and its reconciler keeps child, status and finalizer."""
    assert stranger.run(FOLDER / "go" / "manager") == ["reconciled: 5 Site", "deleted: true"]


def test_a_running_operator_moves_over_from_controller_runtime(stranger: Stranger) -> None:
    """docs/coming-from-controller-runtime.md: one Lease, one finalizer, one child; and what the page says of Go."""
    write_files(files_of("docs/coming-from-controller-runtime.md"), stranger.folder)
    with stranger.begin(FOLDER / "go" / "moving") as old:
        assert [old.line() for _ in range(5)] == [
            "fake: the child of a deleted owner is there: true",
            "fake: a pod without containers and with a bad name is taken: true",
            "called again after a panic: true",
            "waits: [demo.example.com/directory] true",
            "child: Greeting true true moving Update",
        ]
        path = Path(__file__).parent / "python" / "runtime_moved.py"
        with stranger.begin(Path(sys.executable), path, PYTHONPATH=str(stranger.folder)) as new:
            assert new.line() == "waits for the other: True"
            assert old.end() == ["ended"]
            assert new.line() == "leads"
            kept = "('demo.example.com/directory',) {'old': '1', 'text': 'hi'}"
            assert new.end() == [f"the deletion has ended; kept: {kept}"]
    assert stranger.run(FOLDER / "go" / "moving", AGAIN="yes") == ["leads again"]
