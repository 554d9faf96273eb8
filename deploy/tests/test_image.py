"""The root of the image: what is in it, and that every role starts in it as the image's user, with nothing else."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import support
from support import PALANAD, ROOT
import charts
from test_charts import pods

# Everything that may be in the image.
ALLOWED = [
    r"usr/bin/palanad", r"(usr/)?lib(64)?/([\w-]+/)?(lib[\w.+-]+\.so(\.[\d.]+)?|ld-linux[\w.-]+\.so\.\d)",
    r"opt/palana/tools/opa/libopabridge\.so(\.version)?", r"etc/(passwd|group|nsswitch\.conf|os-release)",
    r"etc/ssl/certs/ca-certificates\.crt", r"usr/share/doc/[\w.+-]+/copyright",
    # Of a debug build, whose Swift libraries are not part of the program.
    r"(\w+/)+usr/lib/swift/linux/lib\w+\.so",
]


@unittest.skipUnless(PALANAD.exists(), f"there is no {PALANAD}")
@unittest.skipUnless(shutil.which("bwrap"), "there is no bubblewrap")
class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="palana-image-")
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        cls.root = Path(folder.name) / "root"
        subprocess.run([ROOT / "scripts/image-root", cls.root, "--debug"], check=True)

    def inside(self, *command, program="/usr/bin/palanad"):
        """Runs a command with nothing but the image: its user, no network, a root that cannot be written."""
        somebody = {"user": 65532, "group": 65532, "extra_groups": []} if os.geteuid() == 0 else {}
        return subprocess.run(
            ["bwrap", "--unshare-all", "--clearenv", "--setenv", "PALANA_TOOLS", "/opt/palana/tools", "--uid", "65532", "--gid", "65532",
             "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--ro-bind", self.root, "/", "--dev", "/dev", "--proc", "/proc",
             "--tmpfs", "/tmp", "--tmpfs", "/var/lib/palana", "--chdir", "/var/lib/palana", program, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
            **somebody)

    def test_every_role_starts_in_it(self):
        roles = support.roles()
        self.assertLessEqual({"gateway", "operator"}, set(roles))
        for command in ([], *([role] for role in roles)):
            with self.subTest(command):
                result = self.inside(*command, "--help")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn("USAGE: palanad", result.stdout)

    def test_it_says_the_same_as_outside(self):
        outside = subprocess.run([PALANAD, "crds"], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertEqual(self.inside("crds").stdout, outside)

    def test_the_opa_library_finds_what_it_needs(self):
        loader = next(path for folder in ("lib64", "lib") for path in sorted((self.root / folder).glob("**/ld-linux*")))
        result = self.inside(
            "--list", "/opt/palana/tools/opa/libopabridge.so", program="/" + str(loader.relative_to(self.root)))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("libc.so", result.stdout)
        self.assertNotIn("not found", result.stdout)

    def test_nothing_else_is_in_it(self):
        found = [str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file() or path.is_symlink()]
        self.assertGreater(len(found), 10)
        self.assertEqual([name for name in found if not any(re.fullmatch(pattern, name) for pattern in ALLOWED)], [])
        self.assertEqual([name for name in found if (self.root / name).stat().st_mode & 0o6022], [])

    def test_a_folder_that_is_not_empty_is_refused(self):
        result = subprocess.run([ROOT / "scripts/image-root", self.root, "--debug"], stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("not empty", result.stderr)


@unittest.skipUnless(PALANAD.exists(), f"there is no {PALANAD}")
class Arguments(unittest.TestCase):
    """Pods start roles that there are, with options that there are."""

    def check(self, role):
        if role not in support.roles():
            self.skipTest(f"palanad has no role {role} yet")
        (template,) = [template for place, template in pods(charts.objects(charts.render())) if place.endswith(f" palana-{role}")]
        (box,) = template["spec"]["containers"]
        self.assertEqual(box["args"][0], role)
        command = [role, "run"] if role == "gateway" else [role]
        text = subprocess.run([PALANAD, *command, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
        options = [one for one in box["args"] if one.startswith("--")]
        self.assertIn("--config", options)
        for option in options:
            self.assertIn(option + " ", text)

    def test_operator(self):
        self.check("operator")

    def test_gateway(self):
        self.check("gateway")

    def test_control(self):
        self.check("control")

    def test_reaper(self):
        self.check("reaper")


class Containerfile(unittest.TestCase):
    text = (support.ROOT / "deploy/container/Containerfile").read_text()

    def test_it_builds_on_nothing_that_can_move(self):
        self.assertEqual(re.findall(r"^FROM (\S+)", self.text, re.M), ["${SWIFT_IMAGE}@${SWIFT_DIGEST}", "scratch"])
        self.assertRegex(self.text, r"(?m)^ARG SWIFT_DIGEST$")

    def test_it_runs_as_the_user_of_the_charts(self):
        final = self.text[self.text.index("FROM scratch"):]
        self.assertIn("USER 65532:65532", final)
        self.assertNotIn("\nRUN ", final)
        self.assertIn("COPY --from=build /image/ /", final)
        self.assertRegex(self.text, r"RUN scripts/image-root /image ")

    def test_a_build_without_a_digest_is_refused(self):
        for arguments in ([], ["latest", "palana"], ["sha256:" + "0" * 64], ["sha256:" + "0" * 64, "palana", "--shell"]):
            result = subprocess.run(
                [support.ROOT / "deploy/container/build", *arguments], stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn("usage", result.stderr)


if __name__ == "__main__":
    unittest.main()
