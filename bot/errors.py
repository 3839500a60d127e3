"""Errors that a person caused and can mend."""


class ConfigurationError(Exception):
    """Something that the person who runs the bot must change before it can work.

    The message is one line that names the cause and the way out. It is printed as it is, without a traceback,
    and the program ends with `EXIT_CODE`.
    """

    EXIT_CODE = 2


class ModelDoesNotFitError(ConfigurationError):
    """The model needs more memory than the process may still take."""


class DatabaseOutageError(Exception):
    """The database cannot be used now, for a reason outside the program that may pass.

    The message is one line for the person who runs the bot: the cause, without passwords and without what people
    wrote.
    """
