"""What a wheel needs, read from the requirements files, in which each bound has its one home.

All else stands in pyproject.toml. Its `dynamic` can read such files too, but none by halves, and
requirements.txt holds library and page: a Space is built from that file alone.
"""

from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent


def packages(text: str) -> list[str]:
    """The lines that name a package, without comments."""
    return [line for line in (line.partition("#")[0].strip() for line in text.splitlines()) if line]


def read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


library, page = read("requirements.txt").split("\n# The page\n")
setup(
    install_requires=packages(library),
    extras_require={
        "page": packages(page),
        "export": packages(read("requirements-export.txt")),
        "heic": packages(read("requirements-heic.txt")),
        "mcp": packages(page) + packages(read("requirements-mcp.txt")),
        "test": packages(page) + packages(read("requirements-test.txt")),
    },
)
