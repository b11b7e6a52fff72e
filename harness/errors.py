"""Every error that a user can meet, with the exit status it ends in.

Exit status 0 is success and 1 is Invoke's own; the others are one class each.  A message says in one sentence what is
wrong; `hint` says what to do next.
"""


class GilometerError(Exception):
    """Base of all errors that are reported as a message instead of a traceback."""

    status: int = 4

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class RequestError(GilometerError):
    """The request is wrong: a name that does not exist, a number that makes no sense."""

    status = 2


class HostError(GilometerError):
    """This machine cannot do it: too few CPUs, no engine, a source that does not answer."""

    status = 3


class MeasurementError(GilometerError):
    """A build or a measurement failed, or is invalid."""

    status = 4


class RegressionError(GilometerError):
    """A regression gate tripped."""

    status = 5
