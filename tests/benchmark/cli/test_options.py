"""Options out of range, and numbers in every form: one line, before any work."""

from __future__ import annotations

import click
import pytest

from benchmark.cli import main
from benchmark.cli.app import COMMANDS
from benchmark.cli.options import parse_count
from estimators.errors import InputError

HUGE = str(2**70)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["run", "--seed", HUGE], "--seed must be an integer from 0 to 4294967295"),
        (["run", "--seed", "-1"], "--seed must be an integer from 0 to 4294967295"),
        (["run", "--threads", HUGE], "--threads: must be at most 4096"),
        (["run", "--threads", "0"], "--threads: must be at least 1"),
        (["run", "--workers", HUGE], "--workers: must be at most 4096"),
        (["run", "--samples", HUGE], f"samples: {HUGE} requested, but"),
        (["run", "--samples", "0"], "--samples: expected a number of at least 1"),
        (["run", "--samples", "²"], "--samples: expected a number of at least 1"),
        (["run", "--attack", "pgd:eps=8"], "write 8/255 for 8 grey levels"),
        (["run", "--attack", "pgd:eps=010"], "the value of eps: 010: some readers of YAML"),
        (["run", "--attack", "pgd:eps=1:30"], "the value of eps: 1:30: base 60"),
        (["run", "--attack", "pgd:eps=0.1,eps_step=0"], "eps_step to be positive, got 0"),
        (["run", "--defence", "smoothing:window_size=0"], "window_size must be"),
        (["study", "data", "--seed", HUGE], "--seed must be"),
        (["paper", "--seed", "-1"], "--seed must be"),
        (["train", "--network", "lenet", "--dataset", "digits", "--seed", HUGE], "--seed must be"),
        (["train", "--network", "lenet", "--dataset", "digits", "--epochs", HUGE], "epochs must"),
    ],
)
def test_out_of_range_is_one_line(bench, args: list[str], told: str) -> None:
    code, out = bench(*args)
    assert code == 2, out
    assert told in out
    assert len(out.strip().splitlines()) == 1


INTEGERS = [
    (name, param.opts[0])
    for name in sorted(COMMANDS)
    for param in main.get_command(click.Context(main), name).params
    if isinstance(param.type, click.types.IntParamType)
]
# what makes a command with long work end at once where its integer is accepted
BROKEN = {
    "anchors": ["--weights-dir", "missing"],
    "paper": ["--device", "none"],
    "speed": ["--only", "none"],
    "study": ["data", "--device", "none"],
    "train": ["--network", "lenet", "--dataset", "digits"],
}


def test_every_integer_of_the_command_line_is_tried() -> None:
    assert len(INTEGERS) >= 10
    assert {"run", "train", "study", "paper", "anchors", "speed"} == {name for name, _ in INTEGERS}


@pytest.mark.parametrize(("command", "option"), INTEGERS)
@pytest.mark.parametrize("value", [HUGE, str(2**31), "-1", str(-(2**63)), "1" + "0" * 400])
def test_an_integer_out_of_range_is_one_line(
    bench, monkeypatch: pytest.MonkeyPatch, command: str, option: str, value: str
) -> None:
    if option == "--seed" and value == str(2**31):
        return  # it is one

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the work began")

    for name in ("benchmark.runs.run.gather", "estimators.training.train_or_load.train"):
        monkeypatch.setattr(name, fail)
    code, out = bench(command, option, value, *BROKEN.get(command, []))
    assert code == 2, out
    assert len(out.strip().splitlines()) == 1, out
    assert option.strip("-") in out
    assert len(out) < 300, out


@pytest.mark.parametrize(
    "args",
    [
        ["run", "--attack", f"pgd:eps=0.1,max_iter={HUGE}"],
        ["run", "--defence", f"jpeg:quality={HUGE}"],
        ["run", "--network", f"resnet:extra_layers={HUGE}"],
        ["run", "--samples", f"first:{HUGE}"],
        ["run", "--samples", f"balanced:{HUGE}"],
        ["study", "data", "--samples", "1" + "0" * 400],
        ["study", "data", "--set", "samples=-1"],
        ["study", "data", "--set", f"samples={HUGE}"],
        ["paper", "--samples", "1" + "0" * 400],
        ["anchors", "--weights-dir", "missing", "--samples", "1" + "0" * 400],
        ["export", "missing", "--format", "robustbench", "--eps", "1" + "0" * 400],
        ["train", "--network", f"resnet:extra_layers={HUGE}", "--dataset", "digits"],
    ],
)
def test_an_integer_within_a_value_is_one_line(
    bench, monkeypatch: pytest.MonkeyPatch, args: list[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the work began")

    for name in (
        "benchmark.runs.run._open_store",
        "benchmark.studies.cache._replace_folder",
        "estimators.training.train_or_load.train",
    ):
        monkeypatch.setattr(name, fail)
    code, out = bench(*args)
    assert code == 2, out
    assert len(out.strip().splitlines()) == 1, out


def test_samples_take_every_form_of_an_integer() -> None:
    assert parse_count("all") == "all"
    assert [parse_count(text) for text in ("100", "1e2", "100.0", "1_00")] == [100] * 4
    for text in ("", "1.5", "-3", "many", "010", ".inf"):
        with pytest.raises(InputError, match="--samples"):
            parse_count(text)


def test_the_same_number_gives_the_same_rows(bench, tmp_path) -> None:
    """`8/255`, the decimal of the same double, and the norm in two forms: one cell is reused."""
    args = ["--threat", "oblivious", "--defence", "none", "--samples", "10", "--out", "r"]
    for eps, norm in (("8/255", "L2"), (repr(8 / 255), "2.0")):
        attack = f"pgd:eps={eps},norm={norm},max_iter=2"
        code, out = bench("run", "--attack", attack, *args)
        assert code == 0, out
    assert "reused 1 of 1 cells" in out
    lines = (tmp_path / "r" / "results.csv").read_text().splitlines()
    assert len(lines) == 2
    assert f",2,{8 / 255!r},oblivious," in lines[1]
