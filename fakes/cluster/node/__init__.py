"""The node: a kubelet, what runs its containers, and what images declare."""
