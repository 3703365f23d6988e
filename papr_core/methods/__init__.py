"""The ways to say which patches matter: PaPr, class activation maps, controls; one table of them."""

__all__: list[str] = []
