"""Makes the extension module `fluxplug_graph._core`, in API mode: the C compiler checks every line of cdef.h against the header.

setuptools calls it (setup.py); to see that it compiles: python ffi_build.py.
"""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent

ffi = FFI()
ffi.cdef((HERE / "cdef.h").read_text(encoding="utf-8"))
ffi.set_source(
    "fluxplug_graph._core",
    '#include "fluxplug_graph.h"',
    sources=sorted(path.relative_to(HERE).as_posix() for path in (HERE / "src").glob("*.c")),
    include_dirs=["include"],
    depends=sorted(path.relative_to(HERE).as_posix() for path in HERE.glob("*/*.h")),
    extra_compile_args=["-std=c11", "-O2", "-fvisibility=hidden"],
)

if __name__ == "__main__":
    ffi.compile(verbose=True)
