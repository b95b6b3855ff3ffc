"""`flux.shape.parser`: the parser of resources in one line. It is that of `fluxplug.jobspec.shape`."""

from fluxplug.jobspec.shape import ShapeParser, ShapeSyntaxError

__all__ = ["ShapeParser", "ShapeSyntaxError"]
