"""A small shell in this process, for containers whose image is no program of this machine."""

from ctrlkit.fakes.cluster.node.shell.context import Context, Entry, Files
from ctrlkit.fakes.cluster.node.shell.script import Script, find_command, read_script

__all__ = ["Context", "Entry", "Files", "Script", "find_command", "read_script"]
