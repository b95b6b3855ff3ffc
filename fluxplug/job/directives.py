"""`flux.job.directives`: the parser of options that stand in batch scripts. It is that of `fluxplug.jobspec.directives`."""

from fluxplug.jobspec.directives import Directive, DirectiveParser, DirectiveSyntaxError

__all__ = ["Directive", "DirectiveParser", "DirectiveSyntaxError"]
