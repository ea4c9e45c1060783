"""Stories of pods as a real kubelet told them, and the same stories told by ours."""
