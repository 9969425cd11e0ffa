"""Puts the command into the wheel, where pip makes a command of it.

It is built from the checkout that this folder lies in, with Go; PARLEY_BINARY names one
that is built already. PARLEY_TARGET, linux/arm64 for instance, is the system it is for.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The binary is static: any Linux will do.
PLATFORMS = {
    "linux/amd64": "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
    "linux/arm64": "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
    "linux/arm": "manylinux_2_31_armv7l.musllinux_1_1_armv7l",
    "darwin/arm64": "macosx_12_0_arm64",
    "windows/amd64": "win_amd64",
}


class WheelHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        target = os.environ.get("PARLEY_TARGET") or self.go("env", "GOOS") + "/" + self.go("env", "GOARCH")
        if target not in PLATFORMS:
            raise SystemExit(f"there is no wheel for {target}, only for {', '.join(PLATFORMS)}")
        name = "parley.exe" if target.startswith("windows/") else "parley"
        binary = os.environ.get("PARLEY_BINARY") or self.build(target, name)
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + PLATFORMS[target]
        build_data["shared_scripts"] = {binary: name}
        # The terms of what is in the binary: of a release all of them.
        folders = [Path(os.environ.get("PARLEY_LICENCES") or self.root), Path(self.root).parent]
        for file in ("LICENSE", "THIRD-PARTY-LICENCES"):
            for path in [folder / file for folder in folders if (folder / file).is_file()][:1]:
                build_data["force_include"][str(path)] = "parley/" + file

    def go(self, *args: str) -> str:
        return subprocess.run(("go", *args), check=True, capture_output=True, text=True).stdout.strip()

    def git(self, *args: str) -> str:
        """What git says, or nothing where there is none."""
        try:
            return subprocess.run(("git", *args), cwd=self.root, capture_output=True, text=True).stdout.strip()
        except OSError:
            return ""

    def build(self, target: str, name: str) -> str:
        checkout = Path(self.root).parent
        if not (checkout / "cmd" / "parley").is_dir():
            raise SystemExit("a wheel is made in a checkout of parley, or with PARLEY_BINARY")
        place = Path(tempfile.mkdtemp(prefix="parley-wheel-")) / name
        goos, goarch = target.split("/")
        flags = f"-s -w -X main.release={self.metadata.version} -X main.commit={self.git('rev-parse', 'HEAD')}"
        flags += f" -X main.date={self.git('log', '-1', '--format=%cI')}"
        if self.git("status", "--porcelain", "--untracked-files=no"):
            flags += " -X main.changes=yes"
        env = dict(os.environ, CGO_ENABLED="0", GOOS=goos, GOARCH=goarch)
        subprocess.run(
            ("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(place), "./cmd/parley"),
            check=True,
            cwd=checkout,
            env=env,
        )
        return str(place)
