from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path


def find_binary() -> str:
    """Return the path of the command: the one that PARLEY_BINARY names, the one that was
    installed with this package, or the one on the PATH."""
    named = os.environ.get("PARLEY_BINARY")
    if named:
        return named
    name = "parley" + (sysconfig.get_config_var("EXE") or "")
    package = Path(__file__).resolve().parent
    places = [Path(sysconfig.get_path("scripts"))]
    user = os.name + "_user"
    if user in sysconfig.get_scheme_names():
        places.append(Path(sysconfig.get_path("scripts", user)))
    places.append(package.parent / "bin")  # pip install --target
    places.append(package.parent.parent.parent.parent / "bin")  # pip install --prefix
    for place in places:
        if (place / name).is_file():
            return str(place / name)
    found = shutil.which(name)
    if found:
        return found
    raise FileNotFoundError(f"the command parley is neither in {places[0]} nor on the PATH: install the package again, or set PARLEY_BINARY")
