"""The command line: a file a command, and the only place that reads arguments and prints."""

__all__: list[str] = []
