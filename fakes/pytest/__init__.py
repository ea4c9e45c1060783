"""What pytest gets: `plugin` comes with the package, `virtual_time` is imported by a conftest.py."""
