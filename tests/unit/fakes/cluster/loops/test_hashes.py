"""Pod templates have the hashes that real controllers give them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ctrlkit.fakes.cluster.loops.hashes import template_hash
from ctrlkit.fakes.cluster.loops.template_text import template_text

# The template of a Deployment, and the hash in the name of its ReplicaSet, on a real control plane.
RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("hashed_template.json").read_text())


def test_a_template_has_the_hash_that_a_real_controller_gives_it() -> None:
    """With quantities, ports by name and by number, parts without a name of their own, and letters beyond ASCII."""
    assert template_hash(RECORDED["template"]) == RECORDED["hash"]


def test_collisions_change_the_hash() -> None:
    """Even none, once they are counted."""
    hashes = {template_hash(RECORDED["template"], count) for count in (None, 0, 1, 256)}
    assert len(hashes) == 4


def test_quantities_are_printed_as_they_are_kept() -> None:
    """As a program prints them that uses Kubernetes' own library."""

    def printed(text: str) -> str:
        template = {"spec": {"overhead": {"cpu": text}}}
        return template_text(template).partition("Overhead:(v1.ResourceList)map[cpu:")[2].partition("]")[0]

    def kept(value: int, scale: int, text: str, form: str) -> str:
        amount = f"i:(resource.int64Amount){{value:(int64){value} scale:(resource.Scale){scale}}}"
        rest = f"s:(string){text} Format:(resource.Format){form}"
        return f"{{{amount} d:(resource.infDecAmount){{Dec:(*inf.Dec)<nil>}} {rest}}}"

    assert printed("100m") == kept(100, -3, "100m", "DecimalSI")
    assert printed("0") == kept(0, 0, "0", "DecimalSI")
    assert printed("2k") == kept(2, 3, "2k", "DecimalSI")
    assert printed("-5") == kept(-5, 0, "-5", "DecimalSI")
    assert printed("1Gi") == kept(2**30, 0, "1Gi", "BinarySI")
    assert printed("128Mi") == kept(2**27, 0, "", "BinarySI")
    assert printed("3e3") == kept(3, 3, "3e3", "DecimalExponent")
