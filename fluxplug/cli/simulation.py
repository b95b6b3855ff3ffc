"""What `simulate` and `explain` share: their options for configuration, machine and trace, and a simulator built from these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from fluxplug.config import Config
    from fluxplug.plugins import Plugins
    from fluxplug.sim.outages import OutsideEvent
    from fluxplug.sim.schedule import Schedule
    from fluxplug.sim.simulator import Simulator
    from fluxplug.sim.trace import Trace


def add_arguments(parser: ArgumentParser) -> None:
    """The shared options."""
    parser.add_argument("log", metavar="LOG", help="the workload: SWF (plain or gzip) or JSON lines of jobspecs")
    parser.add_argument(
        "--config", metavar="FILE", help="the configuration, a sched.toml (default: easy on the rv1 pool)"
    )
    machine = parser.add_argument_group("machine", "by default that of [resource] in the configuration")
    machine.add_argument("--nodes", type=int, metavar="N", help="so many equal nodes")
    machine.add_argument("--cores", type=int, metavar="N", help="cores of each node (default: 1)")
    machine.add_argument("--gpus", type=int, metavar="N", help="GPUs of each node (default: 0)")
    machine.add_argument("--resources", metavar="R.json", help="the machine of an R file (RFC 20)")
    trace = parser.add_argument_group("trace")
    trace.add_argument("--trace", metavar="NAME", help="the format of the log (default: by its file ending)")
    trace.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the trace format; may be repeated"
    )
    trace.add_argument(
        "--missing-estimate",
        metavar="one|actual",
        help="SWF: what a job without a requested time runs: one second, or its actual time (default: one)",
    )
    trace.add_argument("--events", metavar="FILE", help="JSON lines of node failures and repairs, cancels and changes")
    trace.add_argument(
        "--lenient", action="store_true", help="count and skip malformed lines instead of ending at the first"
    )


class Setup:
    """Configuration, machine, trace and outside events of one command line. Raises FluxplugError for what is wrong with it."""

    def __init__(self, args: Namespace) -> None:
        from fluxplug.config import default_config, load_config  # noqa: PLC0415
        from fluxplug.sim.trace import trace_for  # noqa: PLC0415

        self.log: str = args.log
        self.lenient: bool = args.lenient
        self.skipped: list[str] = []
        self.plugins: Plugins = args.plugins
        self.config: Config = load_config(args.config, args.plugins) if args.config else default_config(args.plugins)
        self._args = args
        self._set_machine(args)
        trace = trace_for(self.log, self.plugins.traces.classes(), args.trace)
        pairs = [*args.set, *([f"missing-estimate={args.missing_estimate}"] if args.missing_estimate else [])]
        self._trace_config = self._options(trace.name, pairs)
        self._trace = trace
        self._events: str | None = args.events

    def _set_machine(self, args: Namespace) -> None:
        import attrs  # noqa: PLC0415

        from fluxplug.config import ResourceConfig  # noqa: PLC0415
        from fluxplug.errors import ConfigError  # noqa: PLC0415

        counted = args.nodes is not None or args.cores is not None or args.gpus is not None
        if counted and args.resources:
            raise ConfigError("--resources and --nodes, --cores, --gpus exclude each other")
        if counted:
            if args.nodes is None:
                raise ConfigError("--cores and --gpus need --nodes")
            machine = ResourceConfig.uniform(args.nodes, 1 if args.cores is None else args.cores, args.gpus or 0)
            self.config = attrs.evolve(self.config, resource=machine)
        elif args.resources:
            from pathlib import Path  # noqa: PLC0415

            self.config = attrs.evolve(self.config, resource=ResourceConfig(path=Path(args.resources)))

    def _options(self, name: str, pairs: Sequence[str]) -> Any:
        from fluxplug.cli.options import read_pairs  # noqa: PLC0415

        return read_pairs(self.plugins.traces[name], pairs)

    def simulator(self, config: Config, *, keep_ranks: bool = False, log: bool = False) -> tuple[Simulator, Trace]:
        """A simulator at the beginning of the trace, under `config`."""
        from fluxplug.build import build_engine, build_pool, build_priorities  # noqa: PLC0415
        from fluxplug.clock import ManualClock  # noqa: PLC0415
        from fluxplug.ingest import Ingest  # noqa: PLC0415
        from fluxplug.sim.schedule import Schedule  # noqa: PLC0415
        from fluxplug.sim.simulator import Simulator  # noqa: PLC0415

        clock = ManualClock(0)
        pool = build_pool(config, self.plugins, clock)
        whole = pool.to_set()
        cores, nodes = whole.count("core"), len(whole.ranks)
        names = {queue.queue_policy: None for queue in config.all_queues}
        schedule: Schedule = Schedule("+".join(names), cores, nodes)
        priorities = build_priorities(config, self.plugins, pool, clock)
        logged = log or self.plugins.wants("job_event")
        engine = build_engine(config, self.plugins, pool, clock, log=logged, priorities=priorities)
        trace = self._trace(self._trace_config)
        trace.with_users = priorities.looks
        jobs = trace.jobs(self.log, cores, self._skip if self.lenient else None)
        simulator = Simulator(
            engine,
            Ingest(config, pool, self.plugins, self._args, schedule.notes),
            jobs,
            self._outside(whole, nodes),
            schedule=schedule,
            keep_ranks=keep_ranks,
            record=self._record if self.plugins.wants("job_event") else None,
            parents={queue.name: queue.parent for queue in config.all_queues if queue.parent is not None},
            priorities=priorities,
        )
        return simulator, trace

    def _record(self, entry: Any) -> None:
        self.plugins.job_event(entry.jobid, entry.time, entry.name, entry.context or {})

    def _skip(self, problem: Exception) -> None:
        if len(self.skipped) < 5:
            self.skipped.append(str(problem))

    def _outside(self, whole: Any, nodes: int) -> list[OutsideEvent]:
        if self._events is None:
            return []
        from fluxplug.sim.outages import read_outages  # noqa: PLC0415

        hosts = dict(zip(whole.nodelist, whole.ranks, strict=False))
        return read_outages(self._events, hosts, nodes, self._skip if self.lenient else None)
