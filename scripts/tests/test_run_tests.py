"""A test that fails counts as failed, but for one whose server started too slowly and that passes by itself."""

import importlib.machinery
import importlib.util
import tempfile
import unittest
from pathlib import Path
from unittest import mock

SCRIPT = Path(__file__).resolve().parent.parent / "run-tests"
loader = importlib.machinery.SourceFileLoader("run_tests", str(SCRIPT))
run_tests = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
loader.exec_module(run_tests)


SLOW = "Caught error: OpenBao did not become ready within 30.0 seconds (error)"
WRONG = "Expectation failed: 1 == 2 (error)"


def case(name, *messages):
    """A test case that failed with these messages; none: it passed."""
    return f'<testcase classname="T.S" name="{name}">' + "".join(f'<failure message="{one}"/>' for one in messages) + "</testcase>"


class Runs:
    """Answers each run of `swift test` with the next of the given outcomes."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.filters = []

    def __call__(self, name, command, timeout=0, cwd=None):
        status, cases = self.outcomes.pop(0)
        if cases is not None:
            text = "<testsuites><testsuite>" + "".join(case(*one) for one in cases) + "</testsuite></testsuites>"
            Path(command[command.index("--xunit-output") + 1]).write_text(text)
        self.filters.append(command[command.index("--filter") + 1] if "--filter" in command else None)
        return status, "", 1.0


class SwiftSuite(unittest.TestCase):
    def outcome(self, *outcomes, area=""):
        self.runs = Runs(*outcomes)
        with mock.patch.object(run_tests, "run", self.runs):
            outcome = run_tests.swift_suite("unit tests", Path("."), area)
        self.assertEqual(self.runs.outcomes, [])
        return outcome.passed, outcome.failed, outcome.flaky

    def test_all_pass(self):
        self.assertEqual(self.outcome((0, [("a()",), ("b()",)])), (2, 0, []))

    def test_a_slow_start_that_passes_when_run_again(self):
        outcome = self.outcome((1, [("a()",), ("b(_:)", SLOW)]), (0, [("b(_:)",)]))
        self.assertEqual(outcome, (2, 0, ["T.S/b(_:)"]))
        self.assertEqual(self.runs.filters, [None, r"^T\.S/b\(_:\)(/|$)"])

    def test_a_wrong_result_stays(self):
        self.assertEqual(self.outcome((1, [("a()",), ("b()", WRONG)])), (1, 1, []))

    def test_a_wrong_result_beside_a_slow_start_stays(self):
        self.assertEqual(self.outcome((1, [("a()", SLOW, WRONG), ("b()", WRONG)])), (0, 2, []))
        self.assertEqual(self.outcome((1, [("a()", SLOW), ("b()", WRONG)]), (0, [("a()",)])), (1, 1, ["T.S/a()"]))

    def test_a_failure_that_says_nothing_stays(self):
        self.assertEqual(self.outcome((1, [("a()", "")])), (0, 1, []))

    def test_one_that_is_slow_twice(self):
        outcome = self.outcome((1, [("a()", SLOW), ("b()", SLOW)]), (1, [("a()",), ("b()", SLOW)]))
        self.assertEqual(outcome, (1, 1, ["T.S/a()"]))

    def test_many_stay(self):
        self.assertEqual(self.outcome((1, [(f"t{n}()", SLOW) for n in range(6)])), (0, 6, []))

    def test_a_second_run_that_finds_no_test_forgives_nothing(self):
        self.assertEqual(self.outcome((1, [("a()", SLOW)]), (0, [])), (0, 1, []))

    def test_a_second_run_that_dies_forgives_nothing(self):
        self.assertEqual(self.outcome((1, [("a()", SLOW)]), (139, None)), (0, 1, []))

    def test_a_run_that_dies_is_a_failure(self):
        self.assertEqual(self.outcome((139, [("a()",)])), (1, 1, []))

    def test_no_test_at_all(self):
        self.assertEqual(self.outcome((0, None)), (0, 1, []))
        self.assertEqual(self.outcome((0, None), area="x"), (0, 0, []))


class Areas(unittest.TestCase):
    def test_what_belongs_to_kubernetes(self):
        pattern = run_tests.pattern_of("Kubernetes")
        for name in ("PalanaKubeTests.WatchMachineTests/a()", "PalanaOperatorTests.OperatorTests/b()", "PalanaPlanTests.KubernetesRendererTests/c()",
                     "PalanaAPITests.CustomResourceDefinitionTests/d()", "IntegrationTests.KubernetesOperatorTests/e()"):
            self.assertRegex(name, pattern)
        self.assertNotRegex("PalanaEgressTests.HTTP1Tests/operator()", pattern)
        self.assertEqual(run_tests.pattern_of("a.b"), r"(?i)a\.b")

    def test_tests_that_want_a_server_are_counted(self):
        output = '\n'.join(['➜ Test a() skipped: "there is no Kubernetes API server"', '➜ Suite S skipped: "there is no Kubernetes API server"',
                            '➜ Test "b c" skipped: "there is no Kubernetes API server"', '➜ Test d() skipped.'])
        self.assertEqual(len(run_tests.NO_SERVER.findall(output)), 2)

    def test_the_server_is_named(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(run_tests, "TOOLS", Path(folder)), \
                mock.patch.object(run_tests, "ASSETS", Path(folder)):
            self.assertIn("no API server", run_tests.kubernetes_server())
            (Path(folder) / "kmock").mkdir()
            (Path(folder) / "kmock/version").write_text("idna==1\nkmock==0.8 \\\n")
            self.assertIn("kmock 0.8", run_tests.kubernetes_server())
            self.assertIn("no real API server", run_tests.kubernetes_server())
            for name in ("etcd", "kube-apiserver"):
                (Path(folder) / name).write_text("#!/bin/sh\necho Kubernetes v1.99.0\n")
                (Path(folder) / name).chmod(0o755)
            self.assertIn("without controllers (Kubernetes v1.99.0", run_tests.kubernetes_server())


if __name__ == "__main__":
    unittest.main()
