"""What this room refuses. Pure."""


class PreferError(Exception):
    """Answers, ratings or a terminal cannot be used; the message says what to do."""
