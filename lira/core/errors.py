"""Errors that a user can cause; each message is one sentence that names the place and what to do."""


class LiraError(Exception):
    """An error that the user can correct; the command line prints it without a traceback.

    The message is one printable line, whatever names and values it quotes.
    """

    def __init__(self, message: str):
        line = " ".join(str(message).split())
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line))


class ConfigError(LiraError, ValueError):
    """A study file or an argument has a value that is not allowed."""


class NetworkError(ConfigError):
    """A network cannot be built, trained or queried."""


class DataError(LiraError, ValueError):
    """An array or a dataset file has values that cannot be used."""


class StoreError(LiraError):
    """A result file is missing, damaged or of another kind."""


class VersionError(StoreError):
    """A result file is of a version that is not read here; it may be whole, and weeks of work."""


def said(error: BaseException) -> str:
    """Returns type and message of an error in the user's own code."""
    if isinstance(error, SystemExit):
        return f"it ends the program with {str(error.code)!r:.200}, as sys.exit and argparse do: leave that out"
    try:
        return repr(error)
    except Exception:  # its text is the user's code too
        return type(error).__name__


def reason(error: Exception) -> str:
    """Returns the message of a library's error, or the name of its type if it has no message."""
    return str(error).strip() or type(error).__name__
