"""Events for people: what a controller did with an object, shown by `kubectl describe`."""
