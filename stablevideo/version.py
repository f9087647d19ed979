"""The package's version, in one place: pyproject.toml reads it here too."""

__version__ = "0.2.0"
