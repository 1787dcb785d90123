"""The balancer: assignment table, full lines, run-ahead and barrier."""

import numpy as np
import pytest

from lnpu.engine.config import Pass, Policy
from support.engine_feed import FEED_CONFIGS as CONFIGS
from support.engine_feed import check, compiled_rig, load_pages, prepare
from support.engine_walks import dense_case, random_case


def table(unit, bank, pixels):
    """The assignment table as the collector reads it."""
    lines = []
    for pixel in range(pixels):
        unit["table_at_bank"], unit["table_at_pixel"] = bank, pixel
        unit.step()
        lines.append(unit["table_line"])
    return lines


@pytest.mark.parametrize("name", ["four", "three", "two"])
def test_the_tables_have_their_last_dealing(name):
    config = CONFIGS[name]
    unit = compiled_rig(config)
    pages, case, dealt = random_case(config, 7, Pass.FP, 8)
    load_pages(unit, config, pages)
    check(unit, config, *case, "random")
    walks = case[1]
    assert any(walk["replay"] for walk in walks)
    for bank in range(2):
        mine = [n for n, walk in enumerate(walks) if walk["table"] == bank and not walk["replay"]]
        assert table(unit, bank, walks[mine[-1]]["pixels"] + 1) == dealt[mine[-1]].lines.tolist()


def test_dynamic_dealing_evens_out_the_lines():
    _, (*_, want), dealt = dense_case(CONFIGS["four"], fixed=0.5)
    slots = np.array([(line[:, 0] == 0).sum() for line in want])
    assert slots.max() - slots.min() <= max(int(walk.work.max()) for walk in dealt)


def test_full_lines_hand_on():
    config = CONFIGS["four"]
    unit = compiled_rig(config)
    pages, case, dealt = dense_case(config, capacity=49, least=1, most=40)  # 4 x 49 = 14 x 14
    assert all(np.bincount(walk.lines).tolist() == [49] * 4 for walk in dealt)
    load_pages(unit, config, pages)
    check(unit, config, *case, "random")


@pytest.mark.parametrize("name", ["two", "four"])
def test_only_without_run_ahead_lines_wait_for_each_other(name):
    """Line 0 is held after its first slot: the others go on to the next walk, or wait at the barrier."""
    config = CONFIGS[name]
    unit = compiled_rig(config)
    # Few enough blocks to wait in the queue of a line that does not move.
    pages, (constants, walks, fills, _), _ = dense_case(
        config, count=2, pixels=2 * config.lines, capacity=2, fixed=0.1
    )
    load_pages(unit, config, pages)
    prepare(unit, constants)
    for n in range(config.lines):
        unit[f"slots{n}_ready"] = n != 0
    sent = {"walks": walks, "fills": fills}
    walks_ended = slots_behind = 0
    for _ in range(400):
        offer(unit, sent)
        if unit["slots1_valid"]:
            walks_ended += unit["slots1_end"]
            slots_behind += bool(walks_ended and unit["slots1_work"])
        unit.step()
    assert walks_ended >= 1
    assert (slots_behind == 0) == (config.policy is Policy.NONE)


def offer(unit, sent):
    """The next beat of each stream; removes those that are taken."""
    for stream, records in sent.items():
        unit[f"{stream}_valid"] = bool(records)
        for field, value in (records[0] if records else {}).items():
            unit[f"{stream}_{field}"] = value
    unit.eval()
    for stream, records in sent.items():
        sent[stream] = records[unit[f"{stream}_ready"] :]


def test_no_dealing_while_results_of_the_bank_are_needed():
    config = CONFIGS["four"]
    unit = compiled_rig(config)
    pages, (constants, walks, fills, _), _ = dense_case(config, count=3, pixels=8, fixed=0.1)
    load_pages(unit, config, pages)
    for walk, replay, bank, last in zip(walks, (0, 0, 1), (0, 1, 0), (1, 0, 0), strict=True):
        walk |= {"replay": replay, "row_bank": bank, "last": last, "x_bank": 0, "x_free": 0, "table": 0}
    walks.append(walks[0] | {"table": 1})  # deals on bank 0 again
    prepare(unit, constants)
    for n in range(config.lines):
        unit[f"slots{n}_ready"] = 1
    sent = {"walks": walks, "fills": fills[:1]}
    unit["held"] = 0b01
    for _ in range(400):
        offer(unit, sent)
        unit.step()
    assert len(sent["walks"]) == 1, "another bank and replays must pass, the last walk must wait"
    unit["held"] = 0
    for _ in range(10):
        offer(unit, sent)
        unit.step()
    assert not sent["walks"]
