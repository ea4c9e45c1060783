"""The loops of a cluster, each as a controller of its control plane does it."""
