"""Records of recorded jobs: what their event logs lead to is what Flux's listing said of them."""

import pytest

from fluxplug.instance import record as rec

ATTRIBUTES = (
    "duration",
    "name",
    "ntasks",
    "ncores",
    "nnodes",
    "priority",
    "ranks",
    "nodelist",
    "success",
    "waitstatus",
    "urgency",
)
RESULTS = {"COMPLETED": rec.COMPLETED, "FAILED": rec.FAILED, "CANCELED": rec.CANCELED, "TIMEOUT": rec.TIMEOUT}


def test_recorded_jobs(vectors):
    for name, job in vectors("job_lifecycles")["jobs"].items():
        if "eventlog" not in job:
            continue
        record = rec.initial(7, job["jobspec"])
        for event in job["eventlog"]:
            if event["name"] == "alloc":
                job["R"]["execution"]["expiration"] = 0.0
                rec.allocated(record, job["R"])
            rec.apply(record, event["name"], event["timestamp"], event["context"])
        listed = job["get_job"]
        for key in ATTRIBUTES:
            assert record.get(key, "") == listed[key], (name, key)
        assert record["state"] == rec.INACTIVE
        assert record["result"] == RESULTS[listed["result"]], name
        assert record.get("annotations", {}) == listed["annotations"], name
        assert record.get("dependencies", []) == listed["dependencies"], name
        assert record["exception_occurred"] == listed["exception"]["occurred"]
        if listed["exception"]["occurred"]:
            for key in ("type", "severity", "note"):
                assert record[f"exception_{key}"] == listed["exception"][key], name
        if "t_run" in record:
            assert record["t_cleanup"] - record["t_run"] == pytest.approx(listed["runtime"], abs=0.02)


def test_annotations_merge_and_none_deletes():
    assert rec.merge({"user": {"a": 1, "b": 2}, "x": 1}, {"user": {"a": None, "c": {"d": 1}}}) == {
        "user": {"b": 2, "c": {"d": 1}},
        "x": 1,
    }
    assert rec.merge({"user": {"a": 1}}, {"user": {"a": None}}) == {}


def test_an_urgency_moves_only_a_job_that_is_in_the_queue():
    record = {"state": rec.DEPEND, "urgency": 16}
    rec.apply(record, "urgency", 1.0, {"urgency": 1})
    assert (record["state"], record["urgency"]) == (rec.DEPEND, 1)
    record["state"] = rec.SCHED
    rec.apply(record, "urgency", 2.0, {"urgency": 2})
    assert record["state"] == rec.PRIORITY
