"""Errors whose message a person reads and acts on."""


class ConfigurationError(Exception):
    """Something that the operator must change before the bot can work.

    The message is one line: the cause and the way out. It is printed without a traceback, and the program ends with
    `EXIT_CODE`.
    """

    EXIT_CODE = 2

    def __init__(self, message: str) -> None:
        """Keep it on one line, even with a path or a library's words that have several."""
        super().__init__(" ".join(message.splitlines()))


class SettingError(ConfigurationError):
    """A mistake in a setting.

    Attributes:
        setting: its name in upper case; "" if the mistake is about no known setting.
    """

    def __init__(self, message: str, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting


class ServerUnreachableError(ConfigurationError):
    """A server that the start needs does not answer. That may pass, so the exit code is one to restart at."""

    EXIT_CODE = 1


class ModelDoesNotFitError(ConfigurationError):
    """The model needs more memory than is left for the process."""


class DatabaseOutageError(Exception):
    """The database cannot be used now, for a reason that may pass.

    The message is one line for the operator: the cause, without passwords and without message texts.
    """
