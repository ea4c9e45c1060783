"""Every image there could be: its containers are ready at once and do nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ctrlkit.fakes.cluster.node.inprocess_runtime import AlwaysReady, ProgramFactory


class AnyImage(Mapping[str, ProgramFactory]):
    """The images of a runtime that knows all of them."""

    def __getitem__(self, name: str) -> ProgramFactory:
        return lambda address, spec: AlwaysReady()

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
