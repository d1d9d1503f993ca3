"""What the soak makes of its notes; the soak itself is run in test/ros."""

import copy

import numpy as np
import pytest

from benchmarks.soak import write_table
from benchmarks.soak_verdicts import draw, growth, verdicts

MINUTES = 30
NODES = ("ik_service", "panda_sim", "trajectory_follower")


def row(number, **values):
    plain = {"window": number, "sent": 6000, "answered": 6000, "errors": 0, "changed": 0}
    return {**plain, "p50_ms": 0.8, "p99_ms": 2.0, "max_ms": 9.0, "messages": [], **values}


@pytest.fixture
def notes():
    """Of half an hour in which nothing went wrong: memory grows for a minute, and then by half of what it may."""
    seconds = np.arange(0.0, 60.0 * MINUTES, 1.0)
    megabytes = 200.0 + 30.0 * np.minimum(seconds / 60.0, 1.0) + 0.5 * 200.0 * seconds / 1e5
    memory = {"seconds": seconds.tolist(), "resident_mib": (megabytes / 1.048576).tolist(), "cpu_s": seconds.tolist()}
    return {
        "settings": {"seconds": 60.0 * MINUTES, "window_s": 60.0, "rate_hz": 100.0, "clients": 2, "model": "auto"},
        "clients": {f"client_{n}": [row(minute + 1) for minute in range(MINUTES)] for n in range(2)},
        "nodes": {name: copy.deepcopy(memory) for name in NODES},
        "trouble": {name: [] for name in NODES},
        "paths_followed": 100,
        "exit_codes": dict.fromkeys(NODES, 0),
    }


def failed(notes):
    return [target.what for target in verdicts(notes) if target.met is False]


def test_a_run_in_which_nothing_went_wrong_keeps_all_promises(notes):
    assert [target.met for target in verdicts(notes)] == [True] * 11


def test_a_lost_request_is_told(notes):
    notes["clients"]["client_1"][7]["answered"] -= 1
    assert failed(notes) == ["requests lost"]


def test_requests_that_were_never_noted_are_lost(notes):
    del notes["clients"]["client_0"][-1]
    assert failed(notes) == ["requests lost"]


@pytest.mark.parametrize(
    "key, what", [("errors", "requests with an error"), ("changed", "equal requests answered otherwise")]
)
def test_an_error_or_another_answer_is_told(notes, key, what):
    notes["clients"]["client_0"][3][key] = 1
    assert failed(notes) == [what]


def test_memory_that_grows_is_told_with_the_node(notes):
    memory = notes["nodes"]["panda_sim"]
    memory["resident_mib"] = [200.0 + 2.2 * 200.0 * second / 1e5 for second in memory["seconds"]]
    assert failed(notes) == ["panda_sim, growth of resident memory in 100000 calls"]


def test_growth_is_that_after_the_first_minute(notes):
    memory = notes["nodes"]["ik_service"]
    grown = growth(np.array(memory["seconds"]), np.array(memory["resident_mib"]), 200.0)
    assert grown == pytest.approx(0.5, abs=1e-9)
    assert growth(np.arange(100.0), np.arange(100.0), 200.0) is None


def test_a_last_minute_that_is_slower_than_the_first_is_told(notes):
    notes["clients"]["client_1"][-1]["p99_ms"] = 2.41
    assert failed(notes) == ["client_1, p99 of the last minute over that of the first"]


def test_a_warning_and_an_exit_code_are_told(notes):
    notes["trouble"]["panda_sim"] = ["[WARN] [12.0] [panda_sim]: late"]
    notes["exit_codes"]["ik_service"] = -9
    assert failed(notes) == ["warnings and errors of the nodes", "exit codes at the end"]


def test_a_follower_that_stands_still_is_told(notes):
    notes["paths_followed"] = 0
    assert failed(notes) == ["paths that the follower went"]


def test_a_short_run_leaves_open_what_it_cannot_tell(notes):
    notes["settings"] |= {"seconds": 6.0, "window_s": 3.0}
    notes["paths_followed"] = 0
    for rows in notes["clients"].values():
        rows[2:] = []
        for one in rows:
            one["sent"] = one["answered"] = 300
    for memory in notes["nodes"].values():
        for values in memory.values():
            values[6:] = []
    met = [target.met for target in verdicts(notes)]
    assert False not in met
    assert met.count(None) == 6


def test_table_has_a_row_for_each_minute_and_the_picture_is_drawn(notes, tmp_path):
    write_table(notes, tmp_path / "soak.csv")
    header, *rows = (tmp_path / "soak.csv").read_text().splitlines()
    assert header.startswith("minute,client_0 sent,")
    assert "trajectory_follower MiB" in header
    assert len(rows) == MINUTES
    draw(notes, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").read_bytes()[:4] == b"\x89PNG"
