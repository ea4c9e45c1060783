"""Other clients of Python, each with ways of its own: other HTTP libraries, headers, patches and waits."""

from __future__ import annotations

import pytest

from tests.foreign.conftest import Stranger
from tests.support.snippets import files_of, write_files

pytestmark = [pytest.mark.long, pytest.mark.real_time, pytest.mark.timeout(600)]


def test_lightkube(stranger: Stranger) -> None:
    """Models, patches, apply, wait, watch, log, scale and status of a kind of one's own."""
    assert stranger.python("lightkube", "lightkube_client.py") == [
        "deployment: None ['side', 'web']",
        "service: TCP",
        "configmap: {'m': '2', 'p': '3'} 409 Conflict 500 None",
        "watched: MODIFIED ['k', 'm']",
        "watched: MODIFIED ['m']",
        "watched: MODIFIED ['m', 'p']",
        "watched: MODIFIED ['m', 'p']",
        "watched: DELETED ['m', 'p']",
        "secrets: [('key', {'word': 'aGk='})]",
        "log: 404 NotFound 404 NotFound",
        "boat: {'oars': 4} {'afloat': True} 2",
        "left: []",
    ]


def test_kr8s(stranger: Stranger) -> None:
    """Kinds by any name, who one is, labels and annotations, waits for conditions and for the end."""
    assert stranger.python("kr8s", "kr8s_client.py") == [
        "version: 1 True",
        "deployment: 0 {'tier': 'front'} yes RollingUpdate",
        "by short name: ['web'] ['web']",
        "made: True 1 422",
        "watched: ('ADDED', {'k': '1'})",
        "watched: ('MODIFIED', {'k': '1', 'm': '2'})",
        "watched: ('MODIFIED', {'m': '2'})",
        "watched: DELETED False",
        'log: 404 pods "absent" not found',
        "kite: {'tail': 4} ['one']",
        "left: []",
    ]


def test_pykube_ng(stranger: Stranger) -> None:
    """It names no type of its bodies; an object's changes are sent as a patch; lists come as tables."""
    assert stranger.python("pykube", "pykube_client.py") == [
        "version: True",
        "deployment: 0 {'tier': 'front'} yes 500",
        "watched: MODIFIED {'k': '2'}",
        "watched: MODIFIED {'k': '3'}",
        "watched: DELETED {'k': '3'}",
        "table: ['Name', 'Type', 'Data', 'Age'] ['key', 'Opaque', 1]",
        "secret: {'word': 'aGk='} None",
        "job: 1 True",
        "absent: 404 404 False",
    ]


def test_cloudcoil(stranger: Stranger) -> None:
    """Its models read what the server adds; watches, waits, and a cache that fills itself."""
    assert stranger.python("cloudcoil", "cloudcoil_client.py") == [
        "deployment: 0 RollingUpdate",
        "service: ClusterIP",
        "secret: {'word': 'aGk='}",
        "job: True True",
        "pod: none",
        "watched: [('MODIFIED', {'k': '2'}), ('DELETED', {'k': '2'})]",
        "awaited: ['2']",
        "cached: {'k': '2'}",
    ]


def test_kopf(stranger: Stranger) -> None:
    """Its handlers run in order: a finalizer, a status, a child, and an object that goes when all have ended."""
    assert stranger.python("kopf", "kopf_operator.py") == [
        "launched: {'sails': 2} True ['kopf.example.com/finalizer']",
        "rigged: 2 to 3",
        "child: {'sails': '3'} Ship",
        "sunk",
        "gone",
        "left: []",
    ]


def test_what_the_page_for_users_of_kopf_says_of_it(stranger: Stranger) -> None:
    """Each line is a sentence of docs/coming-from-kopf.md."""
    assert stranger.python("kopf", "kopf_claims.py") == [
        "handlers of two objects at once: [('created', 'pair-1'), ('created', 'pair-2')]",
        "kept: ['kopf.zalando.org/last-handled-configuration'] ['claims.example.com/finalizer'] "
        "{'made': {'by': 'pair-1'}}",
        "no finalizer without a reason: ('created', 'raft') None",
        "a plain function: [('created', 'leaky'), ('in the main thread', False)]",
        "again after: 60 s; Events: []",
        "what happened meanwhile: ('created', 'pair-2') ('updated', 1, 3)",
    ]


def test_a_running_operator_moves_over_from_kopf(stranger: Stranger) -> None:
    """The programs of docs/coming-from-kopf.md: what kopf leaves, and what becomes of it."""
    write_files(files_of("docs/coming-from-kopf.md"), stranger.folder)
    path = {"PYTHONPATH": str(stranger.folder)}
    finalizers = "['kopf.zalando.org/KopfFinalizerMarker']"
    handled = "kopf.zalando.org/last-handled-configuration"
    assert stranger.python("kopf", "kopf_moving.py", **path) == [
        f"waits: {finalizers} ['kopf.zalando.org/forget', '{handled}']",
        f"left: {finalizers} ['{handled}'] None",
        "child: Greeting True True [('OpenAPI-Generator', 'Update')]",
    ]
    assert stranger.python("", "kopf_moved.py", **path) == [
        "the other one is gone, and the child is kept",
        "nothing of kopf is left",
        "what is wanted no more is gone",
    ]


def test_models_generated_from_openapi(stranger: Stranger) -> None:
    """Models that a generator makes of /openapi/v3 build what the server takes, and read what it answers."""
    assert stranger.python("openapi", "openapi_models.py") == [
        "document: 3.0.0 createAppsV1NamespacedDeployment",
        "made: 2 TypeModel.RollingUpdate ImagePullPolicy.IfNotPresent",
        "found: ['web']",
        "refused here: [('spec', 'template', 'spec', 'containers')]",
    ]
