"""Why a server cannot listen on a port, in words that are the same for every server of ours."""

from __future__ import annotations

import errno
import os


def port_refusal(host: str, port: int, error: OSError | UnicodeError) -> str:
    """The beginning of an error line, such as `port 80 of 127.0.0.1 is taken by another program`.

    Args:
        host: an address or name, as it was given.
        port: the refused one.
        error: raised by the system, or for a name that cannot be one.
    """
    where = f"port {port} of {host}"
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        return f"{where} is taken by another program"
    if code == errno.EACCES:
        return f"{where} may only be used with an administrator's rights"
    if code == errno.EADDRNOTAVAIL:
        return f"{where} cannot be used, because this machine does not have that address"
    if isinstance(error, OSError) and code is not None:
        # asyncio wraps the system's words into its own; the codes of the name resolver, below 0, have no such words.
        reason = os.strerror(code) if code > 0 else error.strerror or "no such host"
    else:
        reason = " ".join(str(error).split())
    return f"{where} cannot be used ({reason})"
