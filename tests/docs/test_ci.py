"""docs/ci.md and action.yml: their YAML is valid, and their own commands work on a small run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner

from benchmark.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")


def block(mark: str, language: str = "yaml") -> str:
    """The block of the page behind a mark."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None, mark
    return found.group(1)


GRID = block("grid: gate.yaml")
COMMANDS = re.findall(r"<!-- run -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
GITHUB = yaml.safe_load(block("workflow: commands"))["jobs"]["gate"]["steps"]
GITLAB = yaml.safe_load(block("workflow: gitlab"))["robustness"]
SCRIPTS = {"github": [step["run"] for step in GITHUB if "run" in step], "gitlab": GITLAB["script"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the grid of the page, a run of it, and the same as a baseline."""
    folder = tmp_path_factory.mktemp("ci")
    (folder / "gate.yaml").write_text(GRID, encoding="utf-8")
    args = ["run", "--grid", str(folder / "gate.yaml"), "--out", str(folder / "run")]
    result = CliRunner().invoke(main, [*args, "--threads", "1", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "3 of 3 requirements met" in result.output
    shutil.copytree(folder / "run", folder / "baseline")
    return folder


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, and the working directory."""
    shutil.copytree(place, tmp_path / "ci")
    monkeypatch.chdir(tmp_path / "ci")
    return tmp_path / "ci"


def test_the_page_has_commands() -> None:
    assert [command.split()[1] for command in COMMANDS] == ["check", "compare", "compare", "report"]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_page_pass_on_the_run_of_the_page(command: str, here: Path) -> None:
    program, *args = shlex.split(command)
    assert program == "bench"
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output


def test_the_page_shows_what_the_command_prints(here: Path) -> None:
    output = CliRunner().invoke(main, shlex.split(COMMANDS[0])[1:]).output
    (shown,) = re.findall(r"```text\n(ok .*?)```", PAGE, re.DOTALL)
    assert " ".join(shown.split()) in " ".join(output.split())


# the action


def test_the_action_is_a_composite_action() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert ACTION["name"] and ACTION["description"]
    for about in ACTION["inputs"].values():
        assert set(about) == {"description", "default"} and isinstance(about["default"], str)
    for step in STEPS:
        assert step["name"] and ("uses" in step) != ("run" in step)
        assert "run" not in step or step["shell"] == "bash"


def test_no_input_is_pasted_into_a_script() -> None:
    """A value in `${{ }}` inside a script could hold commands; in the environment it is text."""
    assert not [step["name"] for step in STEPS if "${{" in step.get("run", "")]


def test_what_the_action_names_is_there() -> None:
    ids = {step["id"] for step in STEPS if "id" in step}
    for step in STEPS:
        texts = [*step.get("env", {}).values(), *step.get("with", {}).values()]
        for text in texts:
            for name in EXPRESSION.findall(text):
                kind, _, rest = name.partition(".")
                assert kind != "inputs" or rest in ACTION["inputs"], name
                assert kind != "steps" or rest.split(".")[0] in ids, name
        used = set(re.findall(r"\$\{?([A-Z_]{2,})\b", step.get("run", "")))
        assert used <= {*step.get("env", {}), "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"}, step["name"]
    (example,) = (s for s in workflow_steps() if "art-bench" in s.get("uses", ""))
    assert set(example["with"]) <= set(ACTION["inputs"])


def workflow_steps() -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = yaml.safe_load(block("workflow: action"))["jobs"]["gate"]["steps"]
    return steps


class Runner:
    """Runs the scripts of composite actions and workflows as a CI system does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = folder / "programs"
        programs.mkdir()
        program = programs / "bench"
        code = "from benchmark.cli import main; main()"
        program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{code}' \"$@\"\n")
        program.chmod(0o755)
        self.summary = folder / "summary.md"
        self.env = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }

    def script(self, text: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        """The exit code and the output of a script in bash, as GitHub starts it."""
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
        done = subprocess.run(
            bash, cwd=self.folder, env={**self.env, **(env or {})}, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    def action(self, **given: str) -> tuple[int, str]:
        """The exit code of the first step that fails, 0 if none does, and all output."""
        inputs = {name: about["default"] for name, about in ACTION["inputs"].items()}
        inputs |= {name.replace("_", "-"): value for name, value in given.items()}
        outputs: dict[str, str] = {}
        printed = ""

        def value(match: re.Match[str]) -> str:
            kind, _, name = match.group(1).partition(".")
            known = {"inputs": inputs, "steps": outputs, "github": {"action_path": str(ROOT)}}
            return known[kind].get(name, "")

        for step in STEPS:
            condition = re.fullmatch(r"inputs\.([\w-]+) != ''", step.get("if", "inputs.run != ''"))
            assert condition is not None
            if "run" not in step or not inputs[condition.group(1)]:
                continue
            written = self.folder / "outputs.txt"
            written.write_text("")
            env = {key: EXPRESSION.sub(value, text) for key, text in step.get("env", {}).items()}
            code, text = self.script(step["run"], {**env, "GITHUB_OUTPUT": str(written)})
            printed += text
            for line in written.read_text().splitlines():
                name, _, content = line.partition("=")
                outputs[f"{step['id']}.outputs.{name}"] = content
            if code:
                return code, printed
        return 0, printed


@pytest.fixture
def runner(here: Path) -> Iterator[Runner]:
    yield Runner(here)


def test_the_action_checks_a_run_that_is_there(runner: Runner, here: Path) -> None:
    code, printed = runner.action(run="run", install="", baseline="baseline")
    assert code == 0, printed
    summary = runner.summary.read_text(encoding="utf-8")
    assert "✅ 3 of 3 requirements met" in summary and "✅ no row is worse or missing" in summary
    for name in ("check", "compare"):
        root = ElementTree.parse(here / "bench-files" / f"{name}.xml").getroot()
        assert int(root.get("tests", "0")) > 0 and root.get("failures") == "0"
        assert (here / "bench-files" / f"{name}.sarif").is_file()


def test_the_action_fails_where_a_requirement_is_not_met(runner: Runner, here: Path) -> None:
    hostile = "$(touch stolen) `touch stolen`"
    code, printed = runner.action(
        run="run", install="", require="accuracy>=0.999\n", files="my files"
    )
    assert code == 1 and "FAIL" in printed
    assert "❌ 0 of 1 requirements met" in runner.summary.read_text(encoding="utf-8")
    assert (here / "my files" / "check.xml").is_file()
    code, printed = runner.action(run="run", install="", require=hostile)
    assert code == 2 and "expected COLUMN>=NUMBER" in printed
    assert not (here / "stolen").exists()


def test_the_action_fails_where_a_baseline_does_not_fit(runner: Runner) -> None:
    code, printed = runner.action(run="run", install="", baseline="nowhere")
    assert code == 2 and "no such file or run directory" in printed


@pytest.mark.slow
def test_the_action_runs_the_grid(runner: Runner, here: Path) -> None:
    (example,) = (s for s in workflow_steps() if "art-bench" in s.get("uses", ""))
    shutil.rmtree(here / "run")
    given = {name.replace("-", "_"): value for name, value in example["with"].items()}
    code, printed = runner.action(install="", **given)
    assert code == 0, printed
    assert (here / "run" / "report.html").is_file()
    code, printed = runner.action(install="", **{**given, "args": "--attack=fgm:eps=1"})
    assert code == 2 and "no row is meant" in printed
    code, printed = runner.action(
        install="", **{**given, "require": "accuracy>=0.99 where attack=fgsm\naccuracy>=0"}
    )
    assert code == 1 and "1 of 2 requirements met" in printed


@pytest.mark.slow
@pytest.mark.parametrize("system", SCRIPTS)
def test_workflows_of_the_page_run(system: str, runner: Runner, here: Path) -> None:
    shutil.rmtree(here / "run")
    for script in SCRIPTS[system]:
        if script.startswith("pip install"):
            continue
        code, printed = runner.script(script)
        assert code == 0, printed
    for file in GITLAB["artifacts"]["reports"]["junit"] if system == "gitlab" else ["check.xml"]:
        assert ElementTree.parse(here / file).getroot().get("failures") == "0"
    if system == "github":
        assert "3 of 3 requirements met" in runner.summary.read_text(encoding="utf-8")
        assert (here / "check.sarif").is_file()
