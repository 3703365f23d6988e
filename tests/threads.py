"""Many calls at once."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor


def at_once(run: Callable, jobs: Iterable, threads: int = 16) -> list:
    """[run(job) for job in jobs], on threads that start together; there are at least as many jobs."""
    together = threading.Barrier(threads)
    with ThreadPoolExecutor(threads, initializer=together.wait) as pool:
        return list(pool.map(run, jobs))
