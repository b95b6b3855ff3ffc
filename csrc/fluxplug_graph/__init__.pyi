from typing import Any

# cffi makes both when the extension is built; its types are known to C alone.
ffi: Any
lib: Any
