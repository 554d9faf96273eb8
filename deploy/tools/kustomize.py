"""Builds a kustomization: `kustomize.py FOLDER` prints YAML.

The library is Kustomize itself, unpacked by scripts/setup. It has a Go runtime of its own, as the Helm engine has, so the two do not
share a process. Exits 3 where there is no library for this processor.
"""

import ctypes
import json
import os
import sys
from pathlib import Path

LIBRARY = Path(os.environ.get("PALANA_TOOLS", "/opt/palana/tools")) / "kustomize" / "libpykustomize.so"


def build(folder):
    library = ctypes.CDLL(str(LIBRARY))
    library.pykustomize_last_error.restype = ctypes.c_void_p
    result = ctypes.c_void_p()
    options = json.dumps({"load_restrictions": 0, "reorder": "none"}).encode()
    if library.pykustomize_build(str(folder).encode(), options, ctypes.byref(result)) != 0:
        raise ValueError(ctypes.string_at(library.pykustomize_last_error()).decode())
    return ctypes.string_at(result.value).decode()


if __name__ == "__main__":
    if not LIBRARY.exists():
        print(f"There is no {LIBRARY}: run scripts/setup --test.", file=sys.stderr)
        sys.exit(3)
    try:
        print(build(sys.argv[1]), end="")
    except ValueError as error:
        sys.exit(str(error))
