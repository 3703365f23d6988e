"""Training of any timm model, plainly, from a teacher, or while PaPr prunes it."""

__all__: list[str] = []
