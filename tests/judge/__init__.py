"""Comparisons with a real control plane; `make judge` runs them where $KUBEBUILDER_ASSETS has its programs."""
