"""Who may submit to which queue, and jobs of virtual queues (RFC 33)."""

from __future__ import annotations

import pytest

from fluxplug.config import Access, Config, JobPolicy, Limits, QueueConfig
from fluxplug.errors import RefusedError
from fluxplug.ingest import Site
from fluxplug.testing import jobspec


class TestAccess:
    """The names are those of this machine; numbers will do for users whom it does not know."""

    UID = 4_000_000_001

    @staticmethod
    def config(**access):
        policy = JobPolicy(access=Access(**access))
        return Config(queues=(QueueConfig("batch", policy=policy), QueueConfig("debug")))

    @pytest.fixture(autouse=True)
    def accounts(self, monkeypatch):
        import grp
        import os
        import pwd

        amy = pwd.struct_passwd(("amy", "x", 501, 20, "", "/", "/bin/sh"))
        users = {501: amy}
        groups = {20: "staff", 30: "astro"}
        monkeypatch.setattr(pwd, "getpwuid", users.__getitem__)
        monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((groups[gid], "x", gid, [])))
        monkeypatch.setattr(os, "getgrouplist", lambda _, gid: [gid, 30, 99])

    @pytest.mark.parametrize(
        "access",
        [
            {},
            {"users": ("bob", "amy")},
            {"users": ("501",)},
            {"groups": ("astro",)},
            {"groups": ("staff",)},
            {"groups": ("99",)},
            {"users": (), "groups": ("staff",)},
            {"users": ("amy",), "groups": ()},
        ],
    )
    def test_whoever_is_named_may(self, access):
        _, queue = Site(self.config(**access)).finish(jobspec(queue="batch"), 501)
        assert queue.name == "batch"

    @pytest.mark.parametrize("access", [{"users": ("bob",)}, {"groups": ("root",)}, {"users": ()}, {"groups": ()}])
    def test_others_may_not(self, access):
        site = Site(self.config(**access))
        with pytest.raises(RefusedError, match=r"^user amy is not allowed to submit jobs to queue batch$"):
            site.finish(jobspec(queue="batch"), 501)
        site.finish(jobspec(queue="debug"), 501)
        site.finish(jobspec(queue="batch"))

    def test_a_user_whom_the_machine_does_not_know(self):
        Site(self.config(users=(str(self.UID),))).finish(jobspec(queue="batch"), self.UID)
        with pytest.raises(RefusedError, match=rf"^user {self.UID} is not allowed to submit jobs to queue batch$"):
            Site(self.config(groups=("staff",))).finish(jobspec(queue="batch"), self.UID)

    def test_without_queues(self):
        with pytest.raises(RefusedError, match=r"^user amy is not allowed to submit jobs$"):
            Site(Config(policy=JobPolicy(access=Access(("bob",))))).finish(jobspec(), 501)


class TestVirtualQueues:
    CONFIG = Config(
        queues=(
            QueueConfig("batch", requires=("big",)),
            QueueConfig("short", requires=("big",), parent="batch", policy=JobPolicy(limits=Limits(60.0))),
        ),
        policy=JobPolicy(default_queue="batch"),
    )

    def test_a_job_keeps_the_virtual_name(self):
        made, queue = Site(self.CONFIG).finish(jobspec(limit=60, queue="short"))
        assert made["attributes"]["system"]["queue"] == queue.name == "short"
        assert queue.engine_queue == "batch"
        assert made["attributes"]["system"]["constraints"] == {"properties": ["big"]}

    def test_its_own_limits_hold(self):
        with pytest.raises(RefusedError, match=r"exceeds policy limit of 1m for queue short"):
            Site(self.CONFIG).finish(jobspec(limit=61, queue="short"))
        Site(self.CONFIG).finish(jobspec(limit=61, queue="batch"))
