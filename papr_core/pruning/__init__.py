"""The mathematics of the paper: which patches matter, which stay, which become one. Torch alone."""

__all__: list[str] = []
