"""From recovery to the last answer: in which phase a local broker is, and what it refuses then."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Literal, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, fail

from wonderq import errors

P = ParamSpec("P")
T = TypeVar("T")
Phase = Literal["recovering", "ready", "stopped", "failed"]

_TROUBLE: dict[Phase, str] = {
    "recovering": "The store is being read.",
    "stopped": "The server has stopped.",
    "failed": "The store has failed.",
}


class Lifetime:
    """The phases of a broker.

    @ivar phase: verbs work while it is C{"ready"}.
    """

    phase: Phase = "recovering"

    def trouble(self) -> str | None:
        """Return why the broker is not ready, in one sentence; C{None} when it is."""
        return _TROUBLE.get(self.phase)

    def refusal(self) -> errors.WonderQError:
        """Return what every verb fails with in a phase that is not C{"ready"}."""
        if self.phase == "failed":
            return errors.StoreUnavailable(self.trouble() or "", retry_after=1)
        return errors.NotReady(self.trouble() or "", retry_after=1)


L = TypeVar("L", bound=Lifetime)


def verb(method: Callable[Concatenate[L, P], Deferred[T]]) -> Callable[Concatenate[L, P], Deferred[T]]:
    """Make a verb fail through its Deferred, with what the phase or the verb itself refuses."""

    @wraps(method)
    def call(self: L, /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        try:
            if self.phase != "ready":
                raise self.refusal()
            return method(self, *args, **kwargs)
        except errors.WonderQError as error:
            return fail(error)

    return call
