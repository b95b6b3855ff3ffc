"""The extension module and the tag of its wheel; everything else is in pyproject.toml."""

import sys
import sysconfig

from setuptools import setup

# One wheel for this Python and all later ones, but for those without a GIL, which have no limited API.
limited = not sysconfig.get_config_var("Py_GIL_DISABLED")
oldest = "cp310" if sys.version_info < (3, 11) else "cp311"

setup(
    cffi_modules=["ffi_build.py:ffi"],
    options={"bdist_wheel": {"py_limited_api": oldest}} if limited else {},
)
