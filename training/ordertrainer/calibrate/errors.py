"""The error of calibration. Pure."""


class CalibrationError(Exception):
    """Nothing can be fitted or compared; the message names what is missing and what to do."""
