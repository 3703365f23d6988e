"""The mathematics of the paper: which patches matter, which stay, and what becomes of these. Torch alone."""

__all__: list[str] = []
