"""One picture or clip through a pair of models: scenes, answers, and what a person is told."""

__all__: list[str] = []
