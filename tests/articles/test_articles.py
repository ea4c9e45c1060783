"""The commands of articles about Kubernetes work on `ctrlkit apiserver` and on the demo's cluster, as printed there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import yaml

from ctrlkit.bitcoin.manifests import manifest
from ctrlkit.fakes.cluster.node.process import ProcessGuard
from tests.articles.page import document
from tests.articles.reader import Reader
from tests.articles.servers import serving
from tests.articles.walks import Walk, read_walks
from tests.manifests.sitting import ARTICLES
from tests.support.kubectl import needs_kubectl

_ALL = read_walks()
needs_jq = pytest.mark.skipif(shutil.which("jq") is None or shutil.which("bash") is None, reason="needs jq and bash")


@pytest.fixture
def guard() -> Iterator[ProcessGuard]:
    """A guard for the windows of one reader."""
    guard = ProcessGuard()
    yield guard
    guard.close()


def _lay_out(walk: Walk, folder: Path) -> None:
    """Put the files of the articles where their commands find them."""
    for path in ARTICLES.glob("*.yaml"):
        shutil.copy(path, folder / path.name)
    pods, deployments = folder.parent / "pods", folder / "deployments"
    pods.mkdir()
    deployments.mkdir()
    shutil.copy(ARTICLES / "alpine-pod.yaml", pods / "alpine.yaml")
    shutil.copy(ARTICLES / "deployment.yaml", pods / "deployment.yaml")
    shutil.copy(ARTICLES / "go-rbac.yaml", deployments / "rbac.yaml")
    shutil.copy(ARTICLES / "go-controller.yaml", deployments / "controller.yaml")
    shutil.copy(ARTICLES / "go-secret.yaml", folder / "secret.yaml")
    (deployments / "crd.yaml").write_text(manifest("crd"))
    network = yaml.safe_load((ARTICLES / "go-testNetwork.yaml").read_text())
    network["spec"] = {"nodes": 2}  # as it was in the first parts
    (deployments / "testNetwork.yaml").write_text(yaml.safe_dump(network))
    for name, source in walk.files.items():
        shutil.copy(ARTICLES / source, folder / name)


async def _walk(walks: list[Walk], guard: ProcessGuard, tmp_path: Path) -> None:
    """Type all commands of some articles that are not out of scope, one article after the other, on one cluster."""
    async with serving(walks[0].server, tmp_path) as kubeconfig:
        for number, walk in enumerate(walks):
            folder = tmp_path / f"reader-{number}" / "articles"
            folder.mkdir(parents=True)
            _lay_out(walk, folder)
            async with AsyncExitStack() as windows:
                first = await windows.enter_async_context(Reader.at(guard, kubeconfig, folder))
                for step in walk.steps:
                    if step.out:
                        continue
                    reader = first
                    if step.terminal != 1:
                        reader = await windows.enter_async_context(Reader.at(guard, kubeconfig, folder))
                    await reader.play(step)


@pytest.mark.long
@pytest.mark.real_time
@needs_kubectl
@needs_jq
@pytest.mark.parametrize(
    "walk", [walk for walk in _ALL.walks if walk.server == "apiserver"], ids=lambda walk: walk.article
)
async def test_an_article_can_be_followed_on_the_api_server(walk: Walk, guard: ProcessGuard, tmp_path: Path) -> None:
    """Each command shows what the article says."""
    await _walk([walk], guard, tmp_path)


@pytest.mark.long
@pytest.mark.real_time
@needs_kubectl
@needs_jq
async def test_the_articles_about_a_bitcoin_controller_can_be_followed_on_the_demos_cluster(
    guard: ProcessGuard, tmp_path: Path
) -> None:
    """One after the other, on one cluster: nodes that are processes are connected, mine, and come back."""
    await _walk([walk for walk in _ALL.walks if walk.server == "demo"], guard, tmp_path)


def test_the_docs_tell_what_can_be_typed_and_what_is_out_of_scope() -> None:
    page = (Path(__file__).parents[2] / "docs" / "articles.md").read_text()
    assert page == document(), "python -m tests.articles > docs/articles.md"


def test_each_command_is_played_or_says_why_not() -> None:
    """By words that are explained."""
    for walk in _ALL.walks:
        for step in walk.steps:
            assert bool(step.run) != bool(step.wait), step
            assert not step.out or step.out in _ALL.scopes, step
            assert step.today is None or step.today.why in _ALL.reasons, step
            assert walk.server in ("apiserver", "demo") or step.out, step
