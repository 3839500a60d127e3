"""Downloads from the Hugging Face hub with its own client: chosen files, verified, resumed after any interruption.

The client's own downloader is not used: it starts a file over after a kill or a reset connection
(docs/decisions/0008-libraries.md).
"""

from bot.export.hub.download import bytes_to_fetch, fetch_files, read_small_file
from bot.export.hub.repository import HubFile, HubRepository, ask_hub
from bot.export.hub.wanted import wanted_for_export, wanted_of_prebuilt

__all__ = [
    "HubFile",
    "HubRepository",
    "ask_hub",
    "bytes_to_fetch",
    "fetch_files",
    "read_small_file",
    "wanted_for_export",
    "wanted_of_prebuilt",
]
