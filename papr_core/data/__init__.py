"""Pictures, clips and labelled data sets, read with limits."""

__all__: list[str] = []
