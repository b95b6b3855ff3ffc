"""`pytest tests/scenarios --update-golden` accepts what the scenarios do now as what they should do. Read the difference before you commit."""

from __future__ import annotations


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the expected starts of tests/scenarios/*.toml"
    )
