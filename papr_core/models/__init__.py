"""Models by name: their catalogues, weights and labels, ConvNets that look, backbones that are pruned."""

__all__: list[str] = []
