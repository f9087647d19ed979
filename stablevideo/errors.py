"""The exception that a page or a command turns into a message instead of a traceback."""


class InputError(ValueError):
    """What a person gave cannot be used; the message says what was got, what is expected, what to do."""
