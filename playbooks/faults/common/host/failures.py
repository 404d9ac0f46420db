"""Why an experiment does not take place. Pure."""


class Void(Exception):
    """The host cannot have this fault; nothing was touched."""


class Refused(Exception):
    """The request, the host's owner or the host's state forbids the fault; nothing was touched."""
