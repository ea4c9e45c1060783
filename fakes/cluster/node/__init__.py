"""The node: its kubelet, the runtimes of containers, and declarations of images."""
