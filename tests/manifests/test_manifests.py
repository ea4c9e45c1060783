"""Manifests of articles come to life on `ctrlkit apiserver` as on a real cluster, or are refused in its words."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrlkit.manager import connect
from tests.manifests.sitting import ARTICLES, Sitting, batches
from tests.manifests.table import document, recorded
from tests.support.kubectl import needs_kubectl
from tests.support.served import served


@pytest.mark.long
@pytest.mark.real_time
@needs_kubectl
async def test_the_manifests_of_articles_come_to_life_as_on_a_real_cluster(tmp_path: Path) -> None:
    """kubectl says the same, warnings and refusals included, and each object becomes the same, in all batches."""
    kubeconfig = tmp_path / "kubeconfig"
    with served(kubeconfig, "--rbac"):
        async with connect(kubeconfig=str(kubeconfig)) as client:
            sitting = Sitting(kubeconfig, tmp_path, client)
            await sitting.define_networks()
            for batch in recorded():
                assert await sitting.apply(batch.files) == batch.said
                assert await sitting.until(batch.become) == batch.become


def test_every_manifest_is_applied_once_and_stands_in_the_docs() -> None:
    assert [batch.files for batch in recorded()] == batches()
    page = (Path(__file__).parents[2] / "docs" / "manifests.md").read_text()
    assert page == document(), "python -m tests.manifests > docs/manifests.md"
    assert all(f"| {path.name} |" in page for path in ARTICLES.glob("*.yaml"))
