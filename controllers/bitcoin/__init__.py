"""A controller that runs bitcoin regtest networks on Kubernetes: the reference use of ctrlkit."""
