"""What the runtime raises."""

__all__ = ["HostError", "LinkError", "OutOfMemoryError", "StoppedError"]


class HostError(RuntimeError):
    """Something that the user can change; names the field, the value and what is allowed."""


class OutOfMemoryError(HostError):
    """The memory of the device is too small."""


class LinkError(HostError):
    """A board does not answer, or its link is broken."""


class StoppedError(HostError):
    """A command list was stopped by an error; names cause and command."""
