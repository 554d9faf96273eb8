"""scripts/check-layers finds each kind of wrong arrow, and the tree as it is has none.

Run: python3 -m unittest discover -s scripts/tests
"""

import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "check-layers"

# A small package that is right: name -> (type, targets it uses, products it uses).
GOOD = {
    "PalanaCore": ("regular", [], ["Crypto"]),
    "PalanaAPI": ("regular", ["PalanaCore"], []),
    "PalanaAudit": ("regular", ["PalanaCore", "PalanaAPI"], []),
    "PalanaPolicy": ("regular", ["PalanaCore", "PalanaAPI"], []),
    "PalanaStore": ("regular", ["PalanaCore", "PalanaAPI", "PalanaAudit"], ["GRDB"]),
    "PalanaSecrets": ("regular", ["PalanaCore", "PalanaPolicy"], []),
    "PalanaPlan": ("regular", ["PalanaCore", "PalanaAPI"], []),
    "PalanaLocal": ("regular", ["PalanaCore", "PalanaPlan", "PalanaStore", "CLinux"], ["Subprocess"]),
    "PalanaEgress": ("regular", ["PalanaCore", "PalanaPolicy"], []),
    "PalanaCommands": ("regular", ["PalanaCore"], []),
    "PalanaBootstrap": ("regular", ["PalanaCore", "PalanaLocal", "PalanaEgress"], []),
    "CLinux": ("regular", [], []),
    "pcli": ("executable", ["PalanaCommands"], []),
    "palanad": ("executable", ["PalanaBootstrap"], []),
    "PalanaCoreTests": ("test", ["PalanaCore", "PalanaBootstrap"], []),
}


class Tree:
    """A package in a temporary folder."""

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="check-layers-"))
        self.targets = {name: [kind, list(own), list(products)] for name, (kind, own, products) in GOOD.items()}
        for name, (kind, own, products) in self.targets.items():
            if kind != "test" and name != "CLinux":
                self.write(name, "Good.swift", "".join(f"import {module}\n" for module in own + products))

    def write(self, module, file, text):
        path = self.root / "Sources" / module / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def uses(self, module, target):
        self.targets.setdefault(module, ["regular", [], []])[1].append(target)

    def run(self):
        """(exit status, lines of output)."""
        description = {"targets": [
            {"name": name, "type": kind, "dependencies":
                [{"byName": [target, None]} for target in own]
                + [{"product": [product, "package", None, None]} for product in products]}
            for name, (kind, own, products) in self.targets.items()]}
        manifest = "".join(
            f'Module(\n  name: "{name}",\n  uses: [{", ".join(chr(34) + t + chr(34) for t in own)}]),\n'
            for name, (_, own, _) in self.targets.items())
        (self.root / "Package.swift").write_text(manifest)
        file = self.root / "description.json"
        file.write_text(json.dumps(description))
        result = subprocess.run(
            [sys.executable, SCRIPT, "--root", self.root, "--description", file], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False)
        return result.returncode, result.stdout.splitlines()

    def remove(self):
        shutil.rmtree(self.root)


class CheckLayers(unittest.TestCase):
    def setUp(self):
        self.tree = Tree()
        self.addCleanup(self.tree.remove)

    def assert_passes(self):
        self.assertEqual(self.tree.run(), (0, []))

    def assert_fails(self, place, text, count=1):
        status, lines = self.tree.run()
        self.assertEqual(status, 1)
        self.assertEqual(len(lines), count, lines)
        self.assertTrue(any(line.startswith(place + ": ") and text in line for line in lines), lines)

    def test_a_right_tree_passes(self):
        self.assert_passes()

    # (a) What is imported is declared.

    def test_every_form_of_an_undeclared_import(self):
        forms = [
            "import PalanaAPI", "package import PalanaAPI", "public import PalanaAPI", "internal import PalanaAPI",
            "private import PalanaAPI", "fileprivate import PalanaAPI", "@testable import PalanaAPI",
            "@_exported import PalanaAPI", "@_spi(Hidden) package import PalanaAPI", "@preconcurrency import PalanaAPI",
            "  import PalanaAPI", "import struct PalanaAPI.Agent", "import Glibc; import PalanaAPI", "import `PalanaAPI`",
            "import PalanaAPI // why", "/* why */ import PalanaAPI",
        ]
        for form in forms:
            with self.subTest(form):
                self.tree.write("PalanaEgress", "Bad.swift", f"// a comment\n\n{form}\n")
                self.assert_fails(
                    "Sources/PalanaEgress/Bad.swift:3", "imports PalanaAPI, which PalanaEgress does not declare")

    def test_a_module_that_does_not_exist(self):
        self.tree.write("PalanaEgress", "Bad.swift", "import PalanaNowhere\n")
        self.assert_fails("Sources/PalanaEgress/Bad.swift:1", "imports PalanaNowhere")

    def test_a_c_module_that_is_not_declared(self):
        self.tree.write("PalanaEgress", "Bad.swift", "import CLinux\n")
        self.assert_fails("Sources/PalanaEgress/Bad.swift:1", "imports CLinux")

    def test_a_product_that_is_not_declared(self):
        self.tree.write("PalanaEgress", "Bad.swift", "import GRDB\n")
        self.assert_fails("Sources/PalanaEgress/Bad.swift:1", "imports GRDB, which no declared product")

    def test_a_module_that_a_declared_product_hands_out(self):
        self.tree.write("PalanaLocal", "Fine.swift", "import SystemPackage\nimport Glibc\n")
        self.assert_passes()

    def test_what_is_not_code_is_not_an_import(self):
        self.tree.write("PalanaEgress", "Fine.swift", '''
            // import PalanaAPI
            /* import PalanaAPI
               /* nested */
            import PalanaAPI */
            let a = "import PalanaAPI"; let b = "\\"\\n"
            let c = """
            import PalanaAPI "quoted"
            """
            let d = #"""
            import PalanaAPI """
            import DispatchQueue
            """#
            ''')
        self.assert_passes()

    def test_a_folder_without_a_target(self):
        self.tree.write("PalanaNew", "New.swift", "")
        self.assert_fails("Sources/PalanaNew:1", "belongs to no target")

    # (b) Arrows go down, and are found in the description even when nothing imports them yet.

    def test_wrong_arrows(self):
        arrows = [
            ("PalanaCore", "PalanaAPI", "upward", "sideways"), ("PalanaAPI", "PalanaPolicy", "upward", "sideways"),
            ("PalanaAudit", "PalanaPolicy", "sideways"), ("PalanaPolicy", "PalanaAudit", "sideways"),
            ("PalanaSecrets", "PalanaStore", "sideways"), ("PalanaPolicy", "PalanaSecrets", "upward"),
            ("PalanaStore", "PalanaPlan", "upward"), ("PalanaPlan", "PalanaLocal", "upward"),
            ("PalanaEgress", "PalanaLocal", "sideways"), ("PalanaEgress", "PalanaBootstrap", "upward"),
            ("PalanaCommands", "PalanaBootstrap", "sideways"), ("PalanaCommands", "pcli", "executable"),
            ("CLinux", "PalanaCore", "only Palana's"),
        ]
        for module, target, *words in arrows:
            with self.subTest(f"{module} to {target}"):
                tree = Tree()
                self.addCleanup(tree.remove)
                tree.uses(module, target)
                status, lines = tree.run()
                self.assertEqual(status, 1)
                self.assertEqual(len(lines), 1, lines)
                self.assertRegex(lines[0], r"^Package\.swift:\d+: ")
                self.assertTrue(any(word in lines[0] for word in words), lines)
                if module != "CLinux":
                    tree.write(module, "Bad.swift", f"\nimport {target}\n")
                    status, lines = tree.run()
                    self.assertEqual((status, len(lines)), (1, 2), lines)
                    self.assertTrue(lines[1].startswith(f"Sources/{module}/Bad.swift:2: "), lines)

    def test_the_line_of_the_manifest(self):
        self.tree.uses("PalanaEgress", "PalanaLocal")
        status, lines = self.tree.run()
        number = int(lines[0].split(":")[1])
        text = (self.tree.root / "Package.swift").read_text().split("\n")[number - 1]
        self.assertEqual(status, 1)
        self.assertIn('"PalanaLocal"', text)

    def test_executables_use_one_module_each(self):
        for name, target in (("pcli", "PalanaCore"), ("palanad", "PalanaCommands"), ("palanad", "CLinux")):
            with self.subTest(name):
                tree = Tree()
                self.addCleanup(tree.remove)
                tree.uses(name, target)
                status, lines = tree.run()
                self.assertEqual((status, len(lines)), (1, 1), lines)
                self.assertIn("may use only", lines[0])

    def test_a_module_without_a_layer(self):
        self.tree.uses("PalanaNew", "PalanaCore")
        self.tree.write("PalanaNew", "New.swift", "import PalanaCore\n")
        self.assert_fails("Package.swift:" + str(self.line_of("PalanaNew")), "has no layer")

    def test_an_executable_without_a_row(self):
        self.tree.targets["tool"] = ["executable", [], []]
        self.tree.write("tool", "Main.swift", "")
        self.assert_fails("Package.swift:" + str(self.line_of("tool")), "the executable tool is not in the table")

    def test_tests_may_use_what_they_like(self):
        self.tree.uses("PalanaCoreTests", "PalanaLocal")
        self.assert_passes()

    # (c) Banned imports.

    def test_foundation_in_the_hot_modules(self):
        for module in ("PalanaCore", "PalanaAPI", "PalanaAudit", "PalanaPolicy"):
            for name in ("Foundation", "FoundationNetworking"):
                with self.subTest(f"{module} {name}"):
                    self.tree.write(module, "Bad.swift", f"import {name}\n")
                    self.assert_fails(f"Sources/{module}/Bad.swift:1", "FoundationEssentials at most")
            self.tree.write(module, "Bad.swift", "import FoundationEssentials\n")
            self.assert_passes()
        self.tree.write("PalanaLocal", "Fine.swift", "import Foundation\n")
        self.assert_passes()

    def test_foundation_where_there_are_no_essentials(self):
        self.tree.write("PalanaCore", "Bad.swift", (
            "#if canImport(FoundationEssentials)\nimport FoundationEssentials\n#else\nimport Foundation\n#endif\n"))
        self.assert_passes()
        self.tree.write("PalanaCore", "Bad.swift", (
            "#if canImport(Glibc)\nimport Glibc\n#elseif canImport(FoundationEssentials)\nimport FoundationEssentials\n"
            "#else\nimport Foundation\n#endif\n"))
        self.assert_passes()
        for text in (
            "#if canImport(FoundationEssentials)\nimport Foundation\n#endif\n",
            "#if os(Linux)\n\n#else\n\n\nimport Foundation\n#endif\n".replace("\n\n\n", "\n"),
            "#if canImport(FoundationEssentials)\n#endif\nimport Foundation\n",
        ):
            with self.subTest(text):
                self.tree.write("PalanaCore", "Bad.swift", text)
                status, lines = self.tree.run()
                self.assertEqual((status, len(lines)), (1, 1), lines)

    def test_dispatch(self):
        self.tree.write("PalanaEgress", "Bad.swift", "import Dispatch\n")
        self.assert_fails("Sources/PalanaEgress/Bad.swift:1", "imports Dispatch")
        for use in ("DispatchQueue.main.async {}", "let s = DispatchSemaphore(value: 0)", "DispatchSource.makeTimerSource()"):
            with self.subTest(use):
                self.tree.write("PalanaEgress", "Bad.swift", f"import Foundation\n{use}\n// DispatchQueue\n")
                self.assert_fails("Sources/PalanaEgress/Bad.swift:2", "uses Dispatch")

    def test_an_exception_covers_its_file_only_and_must_be_needed(self):
        self.tree.write("PalanaStore", "DatabaseFile.swift", "import Dispatch\n")
        self.assert_passes()
        self.tree.write("PalanaStore", "DatabaseFile.swift", "\n")
        self.assert_fails("Sources/PalanaStore/DatabaseFile.swift:1", "no longer needs its exception")

    # The real thing.

    @unittest.skipUnless(shutil.which("swift"), "no swift")
    def test_the_tree_as_it_is_passes(self):
        result = subprocess.run([SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def line_of(self, name):
        """The line of the manifest that names a target."""
        self.tree.run()
        lines = (self.tree.root / "Package.swift").read_text().split("\n")
        return next(number for number, text in enumerate(lines, 1) if f'name: "{name}"' in text)


if __name__ == "__main__":
    unittest.main()
