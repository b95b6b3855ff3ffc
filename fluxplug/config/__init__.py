"""Configuration: sched.toml to frozen values, with errors that name file, line and key.

    model     what a configuration says: Config and its parts
    machine   what `[resource]` says, as an R document
    options   how a plugin declares its keys: `option`
    source    a TOML file with the line of each key
    load      from the one to the other

Called by the command line and by drivers; plugin authors need `option` alone. Written for people in docs/config.md.
"""

from fluxplug.config.load import default_config, load_config, load_plugins
from fluxplug.config.machine import ResourceConfig
from fluxplug.config.model import (
    Access,
    Config,
    InstanceConfig,
    JobPolicy,
    JobSize,
    Limits,
    QueueConfig,
    QueueParams,
    SchedConfig,
)
from fluxplug.config.options import option

__all__ = [
    "Access",
    "Config",
    "InstanceConfig",
    "JobPolicy",
    "JobSize",
    "Limits",
    "QueueConfig",
    "QueueParams",
    "ResourceConfig",
    "SchedConfig",
    "default_config",
    "load_config",
    "load_plugins",
    "option",
]
