"""The verbs that pods alone have: to be evicted, read from and talked to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ctrlkit.client.actions import DryRun, Propagation, named
from ctrlkit.client.calls import Calls
from ctrlkit.client.exec import Exec, PortForward, exec_parameters
from ctrlkit.client.logs import Logs, log_parameters
from ctrlkit.client.subresource import eviction
from ctrlkit.model import ObjectKey, Options, Verb
from ctrlkit.model.kinds import PODS


class PodVerbs:
    """The part of a Client that is about pods; `key` is that of a pod. Errors: those of the Client."""

    _calls: Calls
    field_manager: str
    """The name in which fields are written."""

    async def evict(
        self,
        key: ObjectKey | str,
        *,
        grace_period_s: int | None = None,
        propagation: Propagation | None = None,
        uid: str = "",
        version: str = "",
        dry_run: DryRun = DryRun.NO,
    ) -> None:
        """
        Evict a pod: delete it, if its disruption budget allows that.

            try:
                await client.evict("demo/web-0")
            except DisruptionBudgetViolated as refusal:
                raise RetryLater(refusal.budget, after_s=refusal.retry_after_s or 5)

        Errors besides the client's: DisruptionBudgetViolated, at once: it is not tried again here.
        """
        action = named(Verb.CREATE, PODS, key, subresource="eviction")
        options = Options(
            propagation_policy=propagation.value if propagation else "",
            grace_period_s=grace_period_s,
            precondition_uid=uid,
            precondition_version=version,
        )
        how = Options(field_manager=self.field_manager, dry_run=dry_run is DryRun.ALL)
        await self._calls.do(replace(action, body=eviction(action.key, options), options=how))

    def logs(
        self,
        key: ObjectKey | str,
        *,
        container: str = "",
        follow: bool = False,
        previous: bool = False,
        timestamps: bool = False,
        since_s: int | None = None,
        since_time: datetime | None = None,
        tail_lines: int | None = None,
        limit_bytes: int | None = None,
    ) -> Logs:
        """
        Read the log of a pod's container, as one text or line by line.

            text = await client.logs("demo/web-0", tail_lines=100)
            async for line in client.logs("demo/web-0", container="web", follow=True):
                print(line)

        `container` may be left out where the pod has one only. `previous` is the log of its last run before this one.
        A log that is followed ends with its container.
        """
        parameters = log_parameters(
            container=container,
            follow=follow,
            previous=previous,
            timestamps=timestamps,
            since_s=since_s,
            since_time=since_time,
            tail_lines=tail_lines,
            limit_bytes=limit_bytes,
        )
        action = named(Verb.GET, PODS, key, subresource="log")
        return Logs(self._calls, replace(action, options=Options(parameters=parameters)))

    def exec(
        self,
        key: ObjectKey | str,
        command: Sequence[str],
        *,
        container: str = "",
        stdin: bytes | None = None,
        tty: bool = False,
    ) -> Exec:
        """
        Run a command in a pod's container; wait for its result, or enter it to talk to it (see Session).

            result = await client.exec("demo/web-0", ["cat"], stdin=b"hello")
            print(result.exit_code, result.stdout)

        `stdin` is all that the command reads; a server that speaks v4 only cannot tell it where that ends. With `tty`
        the command has a terminal, and no stderr of its own.
        """
        parameters = exec_parameters(command, container=container, tty=tty)
        action = named(Verb.CREATE, PODS, key, subresource="exec")
        return Exec(self._calls, replace(action, options=Options(parameters=parameters)), stdin=stdin)

    def attach(
        self, key: ObjectKey | str, *, container: str = "", stdin: bytes | None = None, tty: bool = False
    ) -> Exec:
        """
        Talk to the program of a pod's container, as `exec` does to a command.

            async with client.attach("demo/web-0") as session:
                async for output in session:
                    print(output.data)

        The result's exit code is 0 however the program ends: servers tell that in the pod's status alone, as
        `state.terminated.exitCode` of the container.
        """
        parameters = exec_parameters((), container=container, tty=tty)
        action = named(Verb.CREATE, PODS, key, subresource="attach")
        return Exec(self._calls, replace(action, options=Options(parameters=parameters)), stdin=stdin)

    def port_forward(self, key: ObjectKey | str, port: int) -> PortForward:
        """
        Connect to a port of a pod.

            async with client.port_forward("demo/web-0", 8080) as port:
                await port.send(b"GET / HTTP/1.0\r\n\r\n")
                print(await port.receive())
        """
        action = named(Verb.CREATE, PODS, key, subresource="portforward")
        return PortForward(self._calls, replace(action, options=Options(parameters=(("ports", str(port)),))))
