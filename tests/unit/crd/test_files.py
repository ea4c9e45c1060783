"""Definitions in files: found among other objects, and held against a class in a test."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.crd import assert_definition, definition_of, read_definition, to_yaml
from ctrlkit.errors import ConfigError
from tests.unit.crd.test_manifest import OLD_SITES, SITES


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with the definition of Site behind another object."""
    path = tmp_path / "crd.yaml"
    other = yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}})
    path.write_text(f"{other}---\n{to_yaml(definition_of(SITES))}", encoding="utf-8")
    return path


def test_a_class_and_the_file_made_of_it_agree(file: Path) -> None:
    """Exactly."""
    assert_definition(file, SITES, exact=True)


def test_what_disagrees_is_an_assertion_with_a_line_for_each(file: Path) -> None:
    """So that a test shows it."""
    file.write_text(file.read_text(encoding="utf-8").replace("imageName", "image_name"), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"v1: spec\.imageName: the class reads it"):
        assert_definition(file, SITES)


def test_exact_tells_what_only_differs_in_words(file: Path) -> None:
    """Such as a description, which nobody reads from objects."""
    file.write_text(file.read_text(encoding="utf-8").replace("A web site.", "A page."), encoding="utf-8")
    assert_definition(file, SITES)
    with pytest.raises(AssertionError, match=r"openAPIV3Schema\.description is not what the class gives"):
        assert_definition(file, SITES, exact=True)


def test_lists_as_kubectl_prints_them_are_read(tmp_path: Path) -> None:
    """`kubectl get crd -o yaml` prints a List."""
    path = tmp_path / "list.yaml"
    path.write_text(yaml.safe_dump({"kind": "List", "items": [definition_of(SITES, OLD_SITES)]}), encoding="utf-8")
    assert read_definition(path, SITES)["metadata"]["name"] == "sites.example.com"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file has no definition"),
        ("a: [", "it is no YAML"),
        (None, "No such file"),
        ("kind: CustomResourceDefinition\nmetadata: x", "the file has None"),
        (f"kind: CustomResourceDefinition\nmetadata: {{name: {BITCOIN_NETWORKS}}}\nspec: 3", "no list of versions"),
        (
            f"kind: CustomResourceDefinition\nmetadata: {{name: {BITCOIN_NETWORKS}}}\n"
            "spec: {versions: [{name: v1, schema: {openAPIV3Schema: {properties: {a: {items: 3}}}}}]}",
            "version v1 has no schema that could be read",
        ),
    ],
)
def test_a_file_without_the_definition_is_told(tmp_path: Path, text: str | None, said: str) -> None:
    """With its name, and what is in it."""
    path = tmp_path / "crd.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        read_definition(path, BITCOIN_NETWORKS)
