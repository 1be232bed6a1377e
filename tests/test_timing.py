"""The time left: by hand, from the start, at the pace of this run, and kept for the next."""

import logging

import pytest

from semsim import timing
from semsim.timing import SayTimeLeft, TimeLeft, read_seconds, write_seconds


def test_the_time_left_is_that_of_all_jobs_over_the_cores():
    left = TimeLeft({"draw": 4, "train": 2, "new": 1}, {"draw": 10, "train": 40}, cores=2)
    assert left.seconds(now=0) == pytest.approx((4 * 10 + 2 * 40 + 25) / 2)  # a new rule takes the mean of all rules
    left.start(1, "train", now=0)
    left.start(2, "draw", now=0)
    assert left.seconds(now=6) == pytest.approx((145 - 6 - 6) / 2)
    assert left.seconds(now=1000) == pytest.approx((145 - 10 - 40) / 2)  # a job is never further than to its end


def test_a_slow_machine_is_noticed_and_jobs_that_ended_are_the_measure_of_their_rule(monkeypatch):
    monkeypatch.setattr(timing, "TRUSTED_SECONDS", 0)
    left = TimeLeft({"draw": 3, "train": 1}, {"draw": 10, "train": 40}, cores=1)
    left.start(1, "draw", now=0)
    left.finish(1, now=30)
    assert left.seconds(now=30) == pytest.approx(2 * 30 + 3 * 40)
    left.start(2, "draw", now=30)
    left.fail(2)
    assert left.seconds(now=40) == pytest.approx(2 * 30 + 3 * 40)


def test_where_nothing_is_known_nothing_is_said_until_a_job_has_ended():
    left = TimeLeft({"draw": 3}, {}, cores=1)
    assert left.seconds(now=0) is None
    left.finish(1, now=5)  # of which nobody knows when it began
    assert left.seconds(now=5) is None
    left.start(1, "draw", now=0)
    left.finish(1, now=5)
    assert left.seconds(now=5) == 10


def test_what_a_run_logs_becomes_sentences_and_a_table_for_the_next(tmp_path):
    said, own, other = [], tmp_path / "study" / "seconds.csv", tmp_path / "other.csv"
    write_seconds({"draw": 100, "train": 200}, other)

    def run(*events):
        handler = SayTimeLeft(own, other, 2, said.append)
        for event, about in events:
            handler.handle(logging.makeLogRecord({"event": event, **about}))
        handler.handle(logging.makeLogRecord({"msg": "a record of another kind"}))
        handler.close()

    begun = [
        ("run_info", {"stats": {"draw": 1, "train": 1, "total": 2}}),
        ("job_info", {"jobid": 1, "rule_name": "draw"}),
    ]
    run(*begun, ("job_finished", {"job_id": 1}))
    assert said == ["2:30 left"]  # the next sentence would come too soon
    assert read_seconds(own).keys() == {"draw"} and read_seconds(own)["draw"] < 1
    run(*begun, ("job_error", {"jobid": 1}))
    assert said[1:] == ["1:40 left"] and read_seconds(own).keys() == {"draw"}


@pytest.mark.parametrize("text", ["", "rule\n", "rule,seconds\ndraw,\n", "\0"])
def test_a_table_that_is_not_readable_is_none(tmp_path, text):
    (tmp_path / "seconds.csv").write_text(text)
    assert read_seconds(tmp_path / "seconds.csv") == read_seconds(tmp_path / "nowhere.csv") == {}
