"""A test that fails counts as failed unless it passes by itself; nothing else is forgiven."""

import importlib.machinery
import importlib.util
import unittest
from pathlib import Path
from unittest import mock

SCRIPT = Path(__file__).resolve().parent.parent / "run-tests"
loader = importlib.machinery.SourceFileLoader("run_tests", str(SCRIPT))
run_tests = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
loader.exec_module(run_tests)


def case(name, failed):
    return f'<testcase classname="T.S" name="{name}">{"<failure/>" if failed else ""}</testcase>'


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
        self.assertEqual(self.outcome((0, [("a()", False), ("b()", False)])), (2, 0, []))

    def test_one_passes_when_run_again(self):
        outcome = self.outcome((1, [("a()", False), ("b(_:)", True)]), (0, [("b(_:)", False)]))
        self.assertEqual(outcome, (2, 0, ["T.S/b(_:)"]))
        self.assertEqual(self.runs.filters, [None, r"^T\.S/b\(_:\)(/|$)"])

    def test_one_fails_twice(self):
        outcome = self.outcome((1, [("a()", True), ("b()", True)]), (1, [("a()", False), ("b()", True)]))
        self.assertEqual(outcome, (1, 1, ["T.S/a()"]))

    def test_many_failures_stay(self):
        self.assertEqual(self.outcome((1, [(f"t{n}()", True) for n in range(6)])), (0, 6, []))

    def test_a_second_run_that_finds_no_test_forgives_nothing(self):
        self.assertEqual(self.outcome((1, [("a()", True)]), (0, [])), (0, 1, []))

    def test_a_second_run_that_dies_forgives_nothing(self):
        self.assertEqual(self.outcome((1, [("a()", True)]), (139, None)), (0, 1, []))

    def test_a_run_that_dies_is_a_failure(self):
        self.assertEqual(self.outcome((139, [("a()", False)])), (1, 1, []))

    def test_no_test_at_all(self):
        self.assertEqual(self.outcome((0, None)), (0, 1, []))
        self.assertEqual(self.outcome((0, None), area="x"), (0, 0, []))


if __name__ == "__main__":
    unittest.main()
