"""`fluxplug.reapi`: the class comes from a plugin, and what is said where none or two offer it. What it does is tested with the plugin."""

from __future__ import annotations

import pytest

from fluxplug.errors import FluxplugError, PluginError
from fluxplug.plugins import Plugins
from fluxplug.reapi import ReapiCli, ReapiError

OFFER = """
from fluxplug.reapi import ReapiCli

class Mine({base}):
    '''Mine.'''
    name = "mine"
    def initialize(self, rgraph, options="{{}}"): return rgraph
    def match(self): ...
    def info(self): ...
    def cancel(self): ...

@hookimpl
def fluxplug_register_reapi():
    return {value}
"""


@pytest.fixture
def alone(monkeypatch):
    """Load these sources as plugins, and nothing else."""

    def install(folder):
        load = Plugins.load
        monkeypatch.setattr(Plugins, "load", lambda: load(path=[folder], entry_points=False))

    return install


def offer(base="ReapiCli", value="Mine"):
    return OFFER.format(base=base, value=value)


def test_an_object_of_the_class_that_is_offered(plugin_folder, alone):
    alone(plugin_folder(mine=offer()))
    cli = ReapiCli()
    assert type(cli).__name__ == "Mine"
    assert isinstance(cli, ReapiCli)
    assert cli.initialize("x") == "x"
    assert type(type(cli)()) is type(cli)


def test_nobody_offers_it(plugin_folder, alone):
    alone(plugin_folder(other=""))
    with pytest.raises(PluginError, match="no installed plugin offers ReapiCli; install fluxplug-pool-graph"):
        ReapiCli()


def test_two_offer_it(plugin_folder, alone):
    alone(plugin_folder(one=offer(), two=offer()))
    with pytest.raises(PluginError, match=r"ReapiCli has two owners, \S+one\.py and \S+two\.py; uninstall one of them"):
        ReapiCli()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (offer(base="object"), "Mine is no subclass of ReapiCli"),
        (offer(value="[Mine]"), "which is not a class"),
        (offer(value="1 / 0"), "ZeroDivisionError"),
    ],
)
def test_what_cannot_be_it(plugin_folder, alone, source, text):
    alone(plugin_folder(mine=source))
    with pytest.raises(PluginError, match=text):
        ReapiCli()


def test_its_error_is_one_of_ours():
    assert issubclass(ReapiError, FluxplugError)
