"""Configurations: files, single values, what parameters are said to mean, schema."""

import dataclasses
import json
import tomllib

import pytest

from lnpu.engine.config import EngineConfig, EngineError
from lnpu.export.commands.config import config
from lnpu.export.commands.errors import UserError
from lnpu.parameters import PARAMETERS, SECTIONS, json_schema, plain
from lnpu.presets import PRESETS, ConfigError, configuration, load, preset_path
from lnpu.target import Target, TargetError


def preset(name, *settings):
    return configuration(load(preset_path(name), settings))


def accepted(parameter, value):
    # `group` must not exceed `pes`: each leaves the other room.
    room = {"group": {"pes": 16}, "pes": {"group": 1}}.get(parameter.name, {})
    try:
        configuration({parameter.section: {**room, parameter.name: value}})
    except ConfigError as error:
        message = str(error)
    else:
        return True
    assert f"{parameter.name}`" in message
    assert (f"{value:g}" if isinstance(value, float) else str(value)) in message
    return False


def test_every_field_is_explained():
    told = [p.key for p in PARAMETERS]
    fields = [
        f"{section}.{field.name}" for section, kind in SECTIONS.items() for field in dataclasses.fields(kind)
    ]
    assert told == fields
    assert all(p.meaning and not p.meaning.endswith(".") and p.allowed for p in PARAMETERS)


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda p: p.key)
def test_the_range_that_is_told_is_the_one_that_holds(parameter):
    if parameter.choices:
        assert all(accepted(parameter, value) for value in parameter.choices)
        last = parameter.choices[-1]
        assert not accepted(parameter, f"{last}x" if isinstance(last, str) else last + 1)
        return
    step = parameter.multiple
    assert accepted(parameter, parameter.low)
    assert accepted(parameter, parameter.high)
    assert not accepted(parameter, parameter.low - step)
    assert not accepted(parameter, parameter.high + step)
    assert step == 1 or not accepted(parameter, parameter.low + 1)


def test_a_group_is_at_most_a_line():
    with pytest.raises(EngineError, match="`group` must be 1 to 4, not 5"):
        EngineConfig(pes=4, group=5)


@pytest.mark.parametrize("name", PRESETS)
def test_a_printed_configuration_is_the_same_configuration(name):
    read = preset(name, "engine.policy=rotate", "target.clock_mhz=33.3")
    again = configuration(tomllib.loads(read.as_toml()))
    assert again == read
    assert again.target == Target(33.3)
    assert read.as_dict()["engine"] == {k: plain(v) for k, v in dataclasses.asdict(read.engine).items()}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_fit_the_schema(name):
    fastjsonschema = pytest.importorskip("fastjsonschema")
    valid = fastjsonschema.compile(json_schema())
    values = tomllib.loads(preset_path(name).read_text())
    valid(values)
    valid(tomllib.loads(preset(name).as_toml()))
    for section, field, value in [
        ("engine", "nix", 1),
        ("engine", "lines", 9),
        ("target", "clock_mhz", "fast"),
    ]:
        with pytest.raises(fastjsonschema.JsonSchemaValueException, match=field):
            valid({**values, section: {field: value}})


def test_core_says_what_is_assumed():
    core = preset("lnpu-core")
    assert set(core.notes) == {p.key for p in PARAMETERS}
    assert core.notes["target.clock_mhz"].startswith("published")
    assert core.notes["engine.lines"].startswith("assumed")
    other = preset("lnpu-core", "engine.lines=4")
    assert "engine.lines" not in other.notes
    assert "engine.pes" in other.notes


BAD = [
    ({"nix": {}}, "`nix` is not known; there are engine, target, notes"),
    ({"engine": 3}, "`engine` must be a table, not 3"),
    ({"target": {"nix": 3}}, "`target.nix` is not known; there are clock_mhz"),
    ({"target": {"clock_mhz": True}}, "`target.clock_mhz` must be a number, not True"),
    ({"target": {"clock_mhz": float("nan")}}, "target: `clock_mhz` must be 1 to 2000, not nan"),
    ({"notes": {"engine": {"nix": ""}}}, "`notes.engine.nix` is not known; notes belong to engine.blocks, "),
    ({"notes": {"engine": {"lines": 3}}}, "`notes.engine.lines` must be text, not 3"),
    ({"engine": {"lines": 2.0}}, "`engine.lines` must be an integer, not 2.0"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=[message for _, message in BAD])
def test_errors_name_field_value_and_what_is_allowed(values, message):
    with pytest.raises(ConfigError) as error:
        configuration(values)
    assert message in str(error.value)


@pytest.mark.parametrize("mhz", [0.0, 2001.0, -1.0])
def test_target_range(mhz):
    with pytest.raises(TargetError, match="`clock_mhz` must be 1 to 2000"):
        Target(mhz)


def test_period_is_never_too_long():
    assert Target(50).period_ns == 20
    assert Target(3).period_ns == 333.333
    assert Target(7).period_ns < 1e3 / 7


def test_config_prints(capsys):
    config(preset="tiny", settings=["engine.lines=3"])
    printed = configuration(tomllib.loads(capsys.readouterr().out))
    assert printed == preset("tiny", "engine.lines=3")
    config(schema=True)
    assert json.loads(capsys.readouterr().out) == json_schema()
    config("lines", explain=True)
    one = capsys.readouterr().out
    assert "Lines of PEs" in one
    assert "1 to 8" in one
    config(explain=True)
    every = capsys.readouterr().out
    assert all(p.key in every for p in PARAMETERS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"field": "nix", "explain": True}, "`nix` is not known; there are engine.lines"),
        ({"field": "lines"}, "`lines`: a parameter can only be named with `--explain`"),
        ({"preset": "tiny", "schema": True}, "`--preset` does not go with `--schema`"),
        ({"explain": True, "schema": True}, "`--explain` and `--schema` exclude each other"),
        ({"preset": "huge"}, "`preset` must be one of edge, lnpu-core, nano, tiny, not huge"),
    ],
)
def test_config_refuses(options, message):
    with pytest.raises(UserError) as error:
        config(**options)
    assert message in str(error.value)
