"""What is known of types: built-in ones as data, custom ones by their schema, and how values are read."""
