"""The service benchmark, with a second of load."""

from __future__ import annotations

import json

import pytest

from benchmarks import service

pytestmark = pytest.mark.long


@pytest.mark.slow
def test_it_measures_all_that_has_a_target_and_draws_it(ros, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "QUICK_SECONDS", 1.0)
    monkeypatch.setattr(service, "QUICK_BLOCK", 0.5)
    steps = []
    result = service.run(quick=True, progress=lambda done, total: steps.append((done, total)))
    assert json.loads(json.dumps(result)) == result
    assert steps[-1][0] == steps[-1][1] == len(steps)
    assert [target["what"] for target in result["targets"]] == [what for what, _ in service.TARGETS.values()]
    assert [target["met"] for target in result["targets"]].count(None) == 1
    assert "/compute_ik_path, 1000 poses" in service.text(result)
    for name in ("compute_ik", "empty"):
        figures = result[name]
        assert figures["requests"] == 500 and figures["failed"] == 0
        assert 0.0 < figures["median_ms"] <= figures["p90_ms"] <= figures["p99_ms"] <= figures["max_ms"]
    assert result["path"]["poses"] == 1000 and result["path"]["fraction"] == 1.0 and result["path"]["calls"] == 20
    start = result["start"]["cached"]
    assert 0.0 < start["ready_s"] < start["first_answer_s"] and result["start"]["not_cached"] is None
    service.draw(result, tmp_path / "service.png")
    assert (tmp_path / "service.png").read_bytes().startswith(b"\x89PNG")


def test_a_process_that_ends_at_once_is_an_error_with_its_words():
    running = service.process("benchmarks.nothing", environment=None, said="ready")
    with pytest.raises(service.BenchmarkError, match="No module named benchmarks"), running:
        pass
