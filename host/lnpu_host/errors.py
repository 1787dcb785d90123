"""What the runtime raises."""

__all__ = ["HostError", "OutOfMemoryError", "StoppedError"]


class HostError(RuntimeError):
    """Something that the user can change; names the field, the value and what is allowed."""


class OutOfMemoryError(HostError):
    """The memory of the device is too small."""


class StoppedError(HostError):
    """A command list was stopped by an error; names cause and command."""
