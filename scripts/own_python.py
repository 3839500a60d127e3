"""Ends a script with one line where its Python is not the bot's: import it before anything of the bot."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_NEEDED = ("bot", "pydantic", "discord", "openvino")


def _require_own_python() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - said before a line that an older Python cannot read
        sys.exit(f"error: the bot needs Python 3.11 or newer, and {sys.executable} is older")
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if not missing:
        return
    script = " ".join(["scripts/" + Path(sys.argv[0]).name, *sys.argv[1:]])
    own = ".venv/bin/python" if sys.platform != "win32" else r".venv\Scripts\python"
    install = "" if (_ROOT / own).exists() else ", after `make setup`"
    print(
        f"error: this Python, {sys.executable}, has no package {missing[0]}; in {_ROOT} run `{own} {script}`{install}",
        file=sys.stderr,
    )
    sys.exit(2)


_require_own_python()
