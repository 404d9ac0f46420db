"""The error of data sets. Pure."""


class DatasetError(Exception):
    """A data directory cannot be used; the message names the file, what is wrong and what to do."""
