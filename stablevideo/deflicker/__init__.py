"""Video -> steadier video: what neighbouring frames agree on, in pixels and while they are painted."""

from .steady_motion import deflicker, deflickered

__all__ = ["deflicker", "deflickered"]
