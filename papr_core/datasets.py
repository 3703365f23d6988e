"""Data sets by their public name: `from papr_core.datasets import open_dataset`."""

from papr_core.data.datasets import Dataset, open_dataset

__all__ = ["Dataset", "open_dataset"]
