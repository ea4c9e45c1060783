"""What the subresources of pods, nodes, services and service accounts do; parts of objects are written by the verbs."""
