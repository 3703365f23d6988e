"""Accuracy on labelled images and clips: from records of each to rows, and figures of them."""

__all__: list[str] = []
