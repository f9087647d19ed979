"""The two exceptions that a page or a command turns into a message instead of a traceback."""


class InputError(ValueError):
    """What a person gave cannot be used; the message says what was got, what is expected, what to do."""


class Cancelled(Exception):
    """Raised by a progress callback to stop a long job; whatever was half done is thrown away."""
