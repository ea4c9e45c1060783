"""What a cache holds, and how it is read: the store, its indexes, listers."""
