"""A reflector: lists and watches of one collection become changes of a store. `machine` decides, `reflector` does."""
