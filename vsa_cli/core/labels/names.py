"""stub"""

from collections.abc import Sequence


class Names:
    names: tuple[str, ...] = ()

    def mentions(self, tokens: Sequence[str]) -> tuple[int, ...]:
        return ()
