"""
CustomResourceDefinitions made from Python types, and held against them.

    definition_of(GREETINGS)                    # the manifest, as a dict
    assert_definition("crd.yaml", GREETINGS)    # in a test: class and file agree

What a definition says beside its schema, and what Python's annotations cannot say, is in ctrlkit.model: Definition with
Column and ScaleFields, and Schema with Rule. A program that runs does not need this package.
"""

from __future__ import annotations

from ctrlkit.crd.changes import breaking_changes
from ctrlkit.crd.checks import check_definition
from ctrlkit.crd.differences import disagreements, outdated_parts
from ctrlkit.crd.fields import SchemaError
from ctrlkit.crd.files import assert_definition, read_definition
from ctrlkit.crd.manifest import definition_of, to_yaml
from ctrlkit.crd.narrowing import Aspect, Difference, narrowings
from ctrlkit.crd.schema import object_schema_of, schema_of

__all__ = [
    "Aspect",
    "Difference",
    "SchemaError",
    "assert_definition",
    "breaking_changes",
    "check_definition",
    "definition_of",
    "disagreements",
    "narrowings",
    "object_schema_of",
    "outdated_parts",
    "read_definition",
    "schema_of",
    "to_yaml",
]
