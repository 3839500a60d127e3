"""A hub on 127.0.0.1 that serves the unmodified huggingface_hub client like the real one, and fails on demand.

Large files come from a second port, as the real ones come from another host: a CDN that refuses tokens.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
import struct
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.export.hub_storage import (
    API,
    BLOCK_BYTES,
    Fault,
    Model,
    Request,
    git_blob_of,
    is_large,
    sha256_of,
    sibling,
)


class HubServer:
    """Holds repositories and records requests.

    Attributes:
        requests: for files' contents, in order.
        questions: the number of other requests.
        accounts: for each token, the gated and private repositories that it may read.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.questions = 0
        self.accounts: dict[str, set[str]] = {}
        self._models: dict[str, Model] = {}
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._hub = _Listener(_HubHandler, self)
        self.cdn = _Listener(_CdnHandler, self)

    @property
    def url(self) -> str:
        """For HF_ENDPOINT."""
        return self._hub.url

    def publish(
        self,
        name: str,
        files: Mapping[str, bytes],
        *,
        license: str | None = "mit",
        gated: bool = False,
        private: bool = False,
    ) -> str:
        """Commit files to a repository's main branch and return the commit. Earlier commits stay."""
        model = self._models.setdefault(name, Model(license, gated, private))
        digest = hashlib.sha1(name.encode())
        for each, content in sorted(files.items()):
            digest.update(each.encode() + content)
        model.main = digest.hexdigest()
        model.commits[model.main] = dict(files)
        return model.main

    def fail(self, what: str, *faults: Fault) -> None:
        """Queue faults for the next responses with a file's content, or about repositories (`API`)."""
        self._faults[what].extend(faults)

    def next_fault(self, what: str) -> Fault:
        """Take the next queued fault; without one, a fault that does nothing."""
        queued = self._faults[what]
        return queued.popleft() if queued else Fault()

    def model(self, name: str) -> Model | None:
        """The repository of this name."""
        return self._models.get(name)

    def stored(self, sha256: str) -> tuple[str, bytes]:
        """The name and content of a large file, by its hash."""
        files = (files for model in self._models.values() for files in model.commits.values())
        return next(each for some in files for each in some.items() if sha256_of(each[1]) == sha256)

    def close(self) -> None:
        """Stop serving."""
        self._hub.stop()
        self.cdn.stop()


@contextmanager
def running_hub() -> Iterator[HubServer]:
    """Run a hub during the block."""
    server = HubServer()
    try:
        yield server
    finally:
        server.close()


class _Listener(ThreadingHTTPServer):
    def __init__(self, handler: type[_Handler], hub: HubServer) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.hub = hub
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that were killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""

    @property
    def hub(self) -> HubServer:
        return self.server.hub

    def answer(self, status: int, headers: Mapping[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_file(self, name: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Respond with a file from the requested byte on, with the next queued fault."""
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if self.command == "HEAD":
            self.answer(200, {**headers, "Content-Length": str(len(content))})
            return
        request = Request(name, start)
        self.hub.requests.append(request)
        fault = self.hub.next_fault(name)
        content = content if fault.content is None else fault.content
        if "gzip" in self.headers.get("Accept-Encoding", "") and not is_large(
            name
        ):  # then the real hub knows no ranges
            content, start, headers = gzip.compress(content), 0, {**headers, "Content-Encoding": "gzip"}
        if fault.status is not None:
            self.answer(fault.status, fault.headers)
        elif start >= len(content) and start:
            self.answer(416, {"Content-Range": f"bytes */{len(content)}"})
        else:
            start = 0 if fault.without_ranges else start
            self.send_response(206 if start else 200)
            length = {"Connection": "close"} if fault.without_length else {"Content-Length": str(len(content) - start)}
            for header, value in {**headers, **length}.items():
                self.send_header(header, value)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self._send_body(content[start:], request, fault)

    def _send_body(self, body: bytes, request: Request, fault: Fault) -> None:
        whole = body if fault.after is None else body[: fault.after]
        try:
            for at in range(0, len(whole), BLOCK_BYTES):
                block = whole[at : at + BLOCK_BYTES]
                request.sent += len(block)  # before the write: a test reads the count once the client has the block
                self.wfile.write(block)
                time.sleep(fault.pause_seconds)
        except OSError:  # some tests kill the client
            self.close_connection = True
        if fault.after is not None:
            fault.meanwhile()
            self.close_connection = True
            if fault.resets:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())


class _HubHandler(_Handler):
    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/api/models/"):
            name, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            self.hub.questions += 1
            fault = self.hub.next_fault(API)
            if fault.status is not None:
                self.answer(fault.status, fault.headers, fault.content or b"")
            else:
                self._describe(name, revision)
        else:
            name, _, rest = path[1:].partition("/resolve/")
            revision, _, file = rest.partition("/")
            self._resolve(name, revision, file)

    def _describe(self, name: str, revision: str) -> None:
        commit = self._require(name, revision or "main", content=False)
        model = self.hub.model(name)
        if commit is None or model is None:
            return
        answer: dict[str, object] = {
            "id": name,
            "sha": commit,
            "gated": "manual" if model.gated else False,
            "private": model.private,
            "siblings": [sibling(file, content) for file, content in model.commits[commit].items()],
        }
        if model.license is not None:
            answer["cardData"] = {"license": model.license}
        headers = {"Content-Type": "application/json", "X-HF-Warning": "unauthenticated; Please set a HF_TOKEN"}
        self.answer(200, headers, json.dumps(answer).encode())

    def _resolve(self, name: str, revision: str, file: str) -> None:
        commit = self._require(name, revision, content=True)
        model = self.hub.model(name)
        if commit is None or model is None:
            return
        content = model.commits[commit].get(file)
        if content is None:
            self._refuse(404, "EntryNotFound", "Entry not found")
        elif is_large(file):
            sha256 = sha256_of(content)
            headers = {
                "X-Repo-Commit": commit,
                "X-Linked-Size": str(len(content)),
                "X-Linked-ETag": f'"{sha256}"',
                "Location": f"{self.hub.cdn.url}/{sha256}",
            }
            self.answer(302, headers)
        else:
            self.send_file(file, content, {"X-Repo-Commit": commit, "ETag": f'"{git_blob_of(content)}"'})

    def _require(self, name: str, revision: str, *, content: bool) -> str | None:
        """Return the commit, or send a refusal and return None."""
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        model = self.hub.model(name)
        if token and token not in self.hub.accounts:
            self._refuse(401, None, "Invalid credentials in Authorization header")
            return None
        admitted = token != "" and name in self.hub.accounts[token]
        if model is None or (model.private and not admitted):
            self._refuse(404 if token else 401, "RepoNotFound", "Repository not found")
            return None
        commit = model.main if revision == "main" else revision
        if commit not in model.commits:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif model.gated and content and not admitted:
            self._refuse(403 if token else 401, "GatedRepo", f"Access to model {name} is restricted.")
        else:
            return commit
        return None

    def _refuse(self, status: int, code: str | None, message: str) -> None:
        self.answer(status, {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})})


class _CdnHandler(_Handler):
    def do_GET(self) -> None:
        if "Authorization" in self.headers:
            self.answer(400, {})  # as S3 does
            return
        name, content = self.hub.stored(self.path[1:])
        self.send_file(name, content, {"ETag": f'"{hashlib.md5(content).hexdigest()}"'})
