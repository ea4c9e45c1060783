"""How pods come to nodes: what keeps a pod from a node, which node is best, which pods give way."""
