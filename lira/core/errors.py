"""The errors a user can cause, each one sentence that names the place and the way out."""


class LiraError(Exception):
    """Something the user can mend; the command line prints it without a traceback.

    Whatever names and values the message quotes, it is one line that no terminal acts on.
    """

    def __init__(self, message: str):
        line = " ".join(str(message).split())
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line))


class ConfigError(LiraError, ValueError):
    """A study file or an argument that asks for what cannot be done."""


class DataError(LiraError, ValueError):
    """An array or a dataset file with values that cannot be used."""


class StoreError(LiraError):
    """A result file that is missing, damaged or of another kind."""


def reason(error: Exception) -> str:
    """Returns the message of a library's error, or the name of its type if it has no message."""
    return str(error).strip() or type(error).__name__
