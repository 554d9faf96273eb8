"""A package index for pip (PEP 503) with one wheel and a Debian repository with one package, all made on the spot."""

import base64
import hashlib
import io
import subprocess
import zipfile


def build(folder):
    """Returns what is served: path → (content type, bytes)."""
    files = {}
    wheel = make_wheel()
    name = "palana_probe-1.0-py3-none-any.whl"
    digest = hashlib.sha256(wheel).hexdigest()
    files["/simple/palana-probe/"] = ("text/html", f'<!DOCTYPE html><a href="../{name}#sha256={digest}">{name}</a>'.encode())
    files[f"/simple/{name}"] = ("application/octet-stream", wheel)
    add_repository(files, make_deb(folder))
    return files


def make_wheel():
    contents = {
        "palana_probe.py": b'ANSWER = "installed"\n',
        "palana_probe-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: palana-probe\nVersion: 1.0\n",
        "palana_probe-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "palana_probe-1.0.dist-info/RECORD"
    lines = [f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
             for path, data in contents.items()]
    contents[record] = "\n".join([*lines, record + ",,", ""]).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in contents.items():
            archive.writestr(path, data)
    return out.getvalue()


CONTROL = """Package: palana-probe
Version: 1.0
Architecture: all
Maintainer: Tests <tests@example.com>
Description: a package for tests
"""


def make_deb(folder):
    tree = folder / "deb"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(CONTROL)
    (tree / "usr/share/palana-probe").mkdir(parents=True)
    (tree / "usr/share/palana-probe/answer").write_text("installed\n")
    package = folder / "palana-probe.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(package)], check=True, capture_output=True)
    return package.read_bytes()


def add_repository(files, deb):
    """The package in a flat repository (`deb [trusted=yes] URL ./`) and in one with a suite (`deb [trusted=yes] URL stable main`)."""
    checksum = hashlib.sha256(deb).hexdigest()
    files["/debian/palana-probe.deb"] = ("application/vnd.debian.binary-package", deb)
    for folder, index in (("", ""), ("dists/stable/", "main/binary-all/"), ("dists/stable/", "main/binary-amd64/"),
                          ("dists/stable/", "main/binary-arm64/")):
        listed = (CONTROL + f"Filename: palana-probe.deb\nSize: {len(deb)}\nSHA256: {checksum}\n\n").encode()
        files[f"/debian/{folder}{index}Packages"] = ("text/plain", listed)
    for folder in ("", "dists/stable/"):
        root = f"/debian/{folder}"
        lines = [f" {hashlib.sha256(data).hexdigest()} {len(data)} {path.removeprefix(root)}"
                 for path, (_, data) in files.items() if path.startswith(root) and path.endswith("/Packages")]
        release = "Origin: tests\nSuite: stable\nCodename: stable\nArchitectures: all amd64 arm64\nComponents: main\n"
        release += "Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n" + "\n".join(lines) + "\n"
        files[root + "Release"] = ("text/plain", release.encode())
