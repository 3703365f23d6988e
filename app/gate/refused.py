"""How a request ends that is not passed on."""

__all__ = ["Refused"]


class Refused(Exception):
    """(status, sentence)"""
