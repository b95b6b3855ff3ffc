"""The factories of JobspecV1 against recorded results, and what each refuses."""

from __future__ import annotations

import json
import os

import pytest

from fluxplug.errors import FluxplugError
from fluxplug.job import JobspecV1


@pytest.fixture
def recorded(vectors, monkeypatch):
    """The rows, in the environment that they were recorded in."""
    found = vectors("jobspec_factories")
    for name in os.environ:
        if name not in found["process_environment"]:
            monkeypatch.delenv(name)
    for name, value in found["process_environment"].items():
        monkeypatch.setenv(name, value)
    return found["rows"]


def test_recorded_results(recorded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for row in recorded:
        factory = getattr(JobspecV1, row["factory"])
        if "error" in row:
            error = {"TypeError": TypeError, "ValueError": ValueError}[row["error"].split(":")[0]]
            with pytest.raises(error) as caught:
                factory(*row["args"], **row["kwargs"])
            if error is ValueError:
                assert not isinstance(caught.value, TypeError), row
                assert isinstance(caught.value, FluxplugError), row
            continue
        made = factory(*row["args"], **row["kwargs"])
        assert type(made) is JobspecV1
        # Order and number types too: 0 is not 0.0 to whoever reads the text.
        assert made.dumps() == json.dumps(row["jobspec"], ensure_ascii=False), row
