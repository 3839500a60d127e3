"""The type of a setting that names a folder."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

_VARIABLE = re.compile(r"\$\{?[A-Za-z_]|%[A-Za-z_]+%")
_QUOTES = "'\"\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb"  # typographic ones too, as from a web page
_WINDOWS_PATH = re.compile(r"[A-Za-z]:\\")


def _check_path(path: Path) -> Path:
    """Refuse what no file system takes, and what would silently become a folder of an odd name in this one."""
    try:
        full = path.expanduser()
        full.lstat()
        if full.is_file():
            raise ValueError("a file, not a folder")
        return path
    except RuntimeError as error:  # ~ and a user who is not known
        raise ValueError(str(error)) from error
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR):
            raise ValueError(error.strerror) from error
    if _VARIABLE.search(str(path)):
        raise ValueError("variables are not expanded; write the path itself, or ~ for your home")
    if str(path)[0] in _QUOTES:
        raise ValueError("the quote belongs to the path; leave the quotes out, as where Docker reads the file")
    if os.name == "posix" and _WINDOWS_PATH.match(str(path)):
        raise ValueError("a path of Windows, and this is another system")
    return path


FolderPath = Annotated[Path, AfterValidator(_check_path)]
