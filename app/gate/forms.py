"""Uploads, received here instead of by Gradio: files only, few in a form, bounded at once and on disk in all.

Gradio (6.31) takes a thousand files and a thousand fields in a form, holds the fields in memory, remembers
every `upload_id` for good, and leaves the file of an upload that broke off.
"""

import asyncio
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from anyio import to_thread
from gradio_client.utils import strip_invalid_filename_characters
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ..shelf import Full
from ..uploads import SHELF, upload_folder
from .bodies import length_of
from .refused import Refused

__all__ = ["FORM_BYTES", "received"]

FORM_BYTES = 100_000  # around a file, which has a limit of its own (`max_file_size`)
FILES = 4
HEADERS = 2000  # bytes of the headers of one file
BLOCK = 1_000_000  # bytes that are written at once, and taken from the shelf
AT_ONCE = 32
PATIENCE = 20  # seconds without a byte
SLOWEST = 20_000  # bytes a second, once PATIENCE is over


class Slot:
    """One upload under way."""

    def __init__(self) -> None:
        self.began, self.bytes, self.limit = time.monotonic(), 0, asyncio.timeout(PATIENCE)

    @property
    def speed(self) -> float:
        return self.bytes / max(time.monotonic() - self.began, 0.1)


_slots: set[Slot] = set()


async def received(scope: dict, receive: Any) -> list[str]:
    """The paths of a form's files. Raises Refused."""
    if scope["method"] != "POST":
        raise Refused(405, "Files are sent by POST.")
    most = scope["app"].get_blocks().max_file_size or 0
    if length_of(scope) > most + FORM_BYTES:
        raise Refused(413, f"At most {most / 1e6:g} MB can be sent here.")
    kind, options = parse_options_header(dict(scope["headers"]).get(b"content-type", b""))
    if kind != b"multipart/form-data" or not 0 < len(options.get(b"boundary", b"")) <= 200:
        raise Refused(400, "Send the file in a form: multipart/form-data, the field named files.")
    if len(_slots) >= AT_ONCE:  # the slowest makes room
        slowest = min(_slots, key=lambda slot: slot.speed)
        if time.monotonic() - slowest.began < 2:
            raise Refused(503, "Many files are being sent at this moment. Try again.")
        slowest.limit.reschedule(asyncio.get_running_loop().time())
        _slots.discard(slowest)
    slot, form = Slot(), Form(options[b"boundary"], most)
    _slots.add(slot)
    try:
        while True:
            message = await _next(receive, slot)
            if message["type"] == "http.disconnect":
                raise Refused(400, "The upload broke off.")
            slot.bytes += len(message.get("body", b""))
            if slot.bytes > most + FORM_BYTES:  # whose length nobody said
                raise Refused(413, f"At most {most / 1e6:g} MB can be sent here.")
            await form.take(message.get("body", b""))
            if not message.get("more_body"):
                return await form.done()
    except Full:
        raise Refused(503, "No more files can be kept here at this moment. Try again in a minute.") from None
    except FormParserError:
        raise Refused(400, "The form cannot be read.") from None
    finally:
        _slots.discard(slot)
        form.close()


async def _next(receive: Any, slot: Slot) -> dict:
    slot.limit = asyncio.timeout(PATIENCE)
    try:
        async with slot.limit:
            message = await receive()
    except TimeoutError:
        raise Refused(408, "The upload took too long to arrive.") from None
    if time.monotonic() - slot.began > PATIENCE and slot.speed < SLOWEST:
        raise Refused(408, "The upload took too long to arrive.")
    return message


class Form:
    """The files of a form as it arrives, under names that nobody can guess."""

    def __init__(self, boundary: bytes, most: int) -> None:
        self.most, self.files = most, 0
        self.paths: list[tuple[Path, int]] = []  # those that are whole
        self._file: BinaryIO | None = None
        self._path, self._size, self._taken, self._ended = Path(), 0, 0, False
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value, self._length = b"", b"", 0
        self._waiting: list[str | bytes | None] = []  # a file's name, its bytes, None at its end
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_end": self._end,
            },
        )

    async def take(self, data: bytes) -> None:
        """The next piece of the body. Raises Refused, Full, FormParserError."""
        self._parser.write(data)
        for block in self._waiting:
            if block is None:
                self._whole()
            elif isinstance(block, str):
                self._open(block)
            else:
                await self._write(block)
        self._waiting.clear()

    async def done(self) -> list[str]:
        """The body is whole. Raises Refused."""
        if not self._ended:
            raise Refused(400, "The form is not whole.")
        paths, self.paths = self.paths, []
        for path, size in paths:
            SHELF.put(path, size)
        return [str(path) for path, _ in paths]

    def close(self) -> None:
        """What did not become part of an answer goes."""
        if self._file:
            self._file.close()
            self.paths.append((self._path, self._taken))
        for path, size in self.paths:
            SHELF.give_back(size)
            with suppress(OSError):
                path.unlink()
                path.parent.rmdir()

    def _open(self, name: str) -> None:
        folder = Path(upload_folder()) / secrets.token_hex(16)
        folder.mkdir(parents=True)
        self._path, self._size, self._taken = folder / name, 0, 0
        self._file = open(self._path, "xb")  # noqa: SIM115, closed by _whole or close

    async def _write(self, block: bytes) -> None:
        self._size += len(block)
        if self._size > self.most:
            raise Refused(413, f"At most {self.most / 1e6:g} MB can be sent here.")
        while self._taken < self._size:
            SHELF.take(BLOCK)
            self._taken += BLOCK
        assert self._file is not None  # its headers came before
        await to_thread.run_sync(self._file.write, block)

    def _whole(self) -> None:
        assert self._file is not None
        self._file.close()
        self._file = None
        SHELF.give_back(self._taken - self._size)
        self.paths.append((self._path, self._size))

    # what the parser tells

    def _part_begin(self) -> None:
        self._headers, self._name, self._value, self._length = {}, b"", b"", 0

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._waiting.append(bytes(data[start:end]))

    def _part_end(self) -> None:
        self._waiting.append(None)

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += self._header(data, start, end)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._header(data, start, end)

    def _header(self, data: bytes, start: int, end: int) -> bytes:
        self._length += end - start
        if self._length > HEADERS:
            raise Refused(400, "The headers of the file are too long.")
        return bytes(data[start:end])

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if options.get(b"name") != b"files" or b"filename" not in options:
            raise Refused(400, "Send files only, in the field named files.")
        self.files += 1
        if self.files > FILES:
            raise Refused(400, f"At most {FILES} files can be sent at once.")
        told = options[b"filename"].decode("utf-8", "replace").replace("\\", "/")
        name = strip_invalid_filename_characters(os.path.basename(told))
        self._waiting.append(name if name.strip(". ") else "file")

    def _end(self) -> None:
        self._ended = True
