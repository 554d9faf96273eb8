"""Writes the SDKs and the programs that use them as one tar file, since an agent sees of this machine only `/usr`.

Usage: bundle.py FILE   (run by the python of the environment `clients`: what is bundled are packages of it)
"""

import sys
import sysconfig
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = Path(sysconfig.get_path("purelib"))
WANTED = ("openai", "anthropic", "annotated_types", "anyio", "certifi", "docstring_parser", "h11", "httpcore2", "httpx2", "idna", "jiter",
          "opentelemetry", "pydantic", "pydantic_core", "sniffio", "truststore", "typing_extensions.py", "typing_inspection")

with tarfile.open(sys.argv[1], "w") as archive:
    for name in WANTED:
        archive.add(PACKAGES / name, f"packages/{name}", filter=lambda info: None if "__pycache__" in info.name else info)
    # What is installed says its version by these.
    for path in sorted(PACKAGES.glob("*.dist-info")):
        if path.name.rsplit("-", 1)[0].split("-")[0] in (*WANTED, "opentelemetry_api"):
            archive.add(path, f"packages/{path.name}")
    for path in sorted((HERE / "inside").glob("*.py")):
        archive.add(path, f"llm/{path.name}")
