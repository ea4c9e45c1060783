"""A runtime whose pods answer in this process, and a tracker with one pod that it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ctrlkit.fakes.cluster.node.streams import not_supported
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams
from ctrlkit.model.kinds import NODES, PODS, SERVICE_ACCOUNTS
from tests.support.objects import a_pod

LINES = (b"first\n", b"\n", "dritte Zeile: \u00e4\n".encode(), b"last")


class TalkingRuntime:
    """Answers by rule: `calls` has what was asked of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    async def logs(self, pod: PodRef, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """The same lines for each container, cut in the middle of a letter."""
        self.calls.append(("logs", pod.name, container, options))
        return self._pieces(options)

    async def _pieces(self, options: LogOptions) -> AsyncIterator[bytes]:
        text = b"".join(LINES[-options.tail_lines :] if options.tail_lines else LINES)
        for start in range(0, len(text), 7):
            yield text[start : start + 7]

    async def exec(self, pod: PodRef, container: str, command: tuple[str, ...], streams: Streams) -> int:
        """`cat` copies its stdin, `fail N` writes to both outputs and ends with N, `size` tells its terminal's."""
        self.calls.append(("exec", pod.name, container, command))
        match command:
            case ("cat",):
                async for data in streams.stdin or _nothing():
                    await streams.stdout(data)
                return 0
            case ("fail", code):
                await streams.stdout(b"out\n")
                await streams.stderr(b"err\n")
                return int(code)
            case ("size",):
                assert streams.sizes is not None
                size = await anext(streams.sizes)
                await streams.stdout(f"{size.columns}x{size.rows}".encode())
                return 0
        raise not_supported(" ".join(command))

    async def attach(self, pod: PodRef, container: str, streams: Streams) -> None:
        """Says one word and ends."""
        self.calls.append(("attach", pod.name, container))
        await streams.stdout(b"attached\n")

    async def port_forward(self, pod: PodRef, port: int, streams: Streams) -> None:
        """Answers in capitals at port 80, and is not there at others."""
        self.calls.append(("port_forward", pod.name, port))
        if port != 80:
            raise ConnectionRefusedError("nobody listens")
        async for data in streams.stdin or _nothing():
            await streams.stdout(data.upper())
            if b"bye" in data:
                return


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for data in nothing:
        yield data


def with_a_running_pod() -> tuple[Tracker, TalkingRuntime]:
    """A tracker with the pod `p` on a node, the service account `bot`, and what runs the pod."""
    tracker, runtime = Tracker(), TalkingRuntime()
    tracker.create(NODES, {"metadata": {"name": "n"}})
    address = {"type": "InternalIP", "address": "127.0.0.1"}
    node = tracker.get(NODES, "n")
    tracker.update(NODES, node | {"status": {"addresses": [address]}}, subresource="status")
    pod = tracker.create(PODS, a_pod(nodeName="n"))
    tracker.update(PODS, pod | {"status": {"phase": "Running"}}, subresource="status")
    tracker.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bot", "namespace": "default"}})
    tracker.run_pods_with(runtime)
    return tracker, runtime
