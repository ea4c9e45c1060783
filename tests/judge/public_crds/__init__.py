"""Public custom resource definitions: random objects of their kinds get the same verdict here and on a real server."""
