"""Why an experiment does not take place. Pure."""


class Void(Exception):  # noqa: N818  the word of the drill report
    """The host cannot have this fault; nothing was touched."""


class Refused(Exception):  # noqa: N818  as Void
    """The request, the host's owner or the host's state forbids the fault; nothing was touched."""
