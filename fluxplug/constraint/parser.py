"""`flux.constraint.parser`: the parser of constraints as text. It is that of `fluxplug.jobspec.query`."""

from fluxplug.jobspec.query import ConstraintParser, ConstraintSyntaxError

__all__ = ["ConstraintParser", "ConstraintSyntaxError"]
