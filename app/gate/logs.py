"""What a request can write into the server's log: a line, however long it is, and no trace."""

import logging
import traceback

__all__ = ["LOGGED", "keep_short"]

LOGGED = 300  # characters


def keep_short() -> None:
    """Of uvicorn (0.54), which writes a trace where an answer cannot be given, and of what it holds."""
    for name in ("uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        if _shorten not in logger.filters:
            logger.addFilter(_shorten)


def _shorten(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        place = traceback.extract_tb(error.__traceback__)[-1:]
        text += f": {error!r:.200}" + "".join(f" ({one.filename}:{one.lineno})" for one in place)
    record.msg, record.args, record.exc_info, record.exc_text = (
        " ".join(text.split())[:LOGGED],
        (),
        None,
        None,
    )
    return True
