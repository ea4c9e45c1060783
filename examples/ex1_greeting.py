"""
1. Every Greeting gets a ConfigMap that carries its text: a controller of one decorated function.

    ctrlkit apiserver --kubeconfig kc examples/kinds.yaml examples/objects.yaml
    ctrlkit run examples.ex1_greeting:greet --kubeconfig kc
    kubectl --kubeconfig kc get configmap hello -o yaml
"""

from __future__ import annotations

import msgspec

from ctrlkit import DONE, Context, ObjectMeta, Outcome, controller_reference, custom_resource, reconciler
from ctrlkit.model.kinds import CONFIG_MAPS


class Spec(msgspec.Struct, frozen=True):
    """What a user writes."""

    text: str


class Greeting(msgspec.Struct, frozen=True):
    """The fields of a Greeting that are used here; all others are skipped where they arrive."""

    metadata: ObjectMeta
    spec: Spec


GREETINGS = custom_resource(group="demo.example.com", kind="Greeting", plural="greetings").of(Greeting)


@reconciler(GREETINGS, owns=[CONFIG_MAPS])
async def greet(greeting: Greeting, context: Context) -> Outcome:
    """Have the ConfigMap say what the Greeting says; called whenever one of the two changes."""
    if greeting.metadata.deleting:
        return DONE  # the garbage collector removes what it owned
    want = {"text": greeting.spec.text}
    have = context.lister(CONFIG_MAPS).find(context.key)
    if have is None or have.get("data") != want:
        owner = controller_reference(greeting.metadata, GREETINGS)
        await context.client.apply(CONFIG_MAPS, context.key, {"metadata": {"ownerReferences": [owner]}, "data": want})
    return DONE
