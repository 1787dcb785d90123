"""Round robin, as `lnpu.engine.turns`."""

__all__ = ["Turns"]


class Turns:
    """Grants one request at a time; the one that was granted last comes last.

    Args:
        count: of requesters.
    """

    __slots__ = ("_behind",)

    def __init__(self, count: int) -> None:
        self._behind = count

    def grant(self, requests: list[bool]) -> int:
        """The requester that has this cycle, -1 where there is none."""
        found = -1
        for n, wanted in enumerate(requests):
            if wanted:
                if n >= self._behind:
                    found = n
                    break
                if found < 0:
                    found = n
        if found >= 0:
            self._behind = found + 1
        return found
