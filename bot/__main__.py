"""`python -m bot`."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said before a line that an older Python cannot read
    sys.stderr.write("error: the bot needs Python 3.11 or newer, and %s is older\n" % sys.executable)  # noqa: UP031 - as above
    sys.exit(2)

from bot.cli.main import main

sys.exit(main())
