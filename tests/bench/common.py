"""What the benchmarks share: where things are, a broker of their own, the end of processes."""

import contextlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"
# Figures of running processes are medians of so many windows.
WINDOWS = 3

# What was started is stopped also where this process is told to end.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def need(**packages):
    """Ends the program where a command is missing; `command="package"` of Debian."""
    missing = [package for command, package in packages.items() if not shutil.which(command)]
    if missing:
        sys.exit(f"missing: apt-get install {' '.join(missing)}")


def build(*options, cwd=ROOT):
    """A release build by cargo."""
    if subprocess.run(["cargo", "build", "--release", *options], cwd=cwd).returncode != 0:
        sys.exit("cargo could not build what is to be measured")


def agent(command):
    """The command of the agent as a list: this one, or else the release build, made now."""
    if command:
        return shlex.split(command)
    build()
    return [TARGET / "release" / "psistats"]


def scratch(name):
    """An empty directory of this name under target/bench."""
    path = TARGET / "bench" / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


@contextlib.contextmanager
def broker(name, *options):
    """A private RabbitMQ, as long as the context lasts. Gives its port on 127.0.0.1."""
    script = ROOT / "tests" / "support" / "rabbitmq"
    directory = TARGET / "bench" / f"broker-{name}"

    def end():
        # Nothing in it is wanted, so that an orderly end would only take longer.
        for verb in ("kill", "stop"):
            subprocess.run([script, verb, directory], check=True)
        shutil.rmtree(directory)

    if directory.exists():
        end()  # of a run that was killed
    try:
        subprocess.run([script, "start", directory, *options], check=True)
        env = dict(line.split("=", 1) for line in (directory / "env").read_text().splitlines())
        yield int(env["AMQP_PORT"])
    finally:
        end()


@contextlib.contextmanager
def running(command, log):
    """A process, as long as the context lasts; its output goes to the file `log`."""
    with open(log, "wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process, patience_s=30):
    """SIGTERM, and SIGKILL to what does not heed it. Gives the exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def agent_config(path, port, prefix, **app):
    """A psistats.conf for the agent; `app` goes into its section."""
    keys = "".join(f"{key}={value}\n" for key, value in app.items())
    path.write_text(
        f"[server]\nhost=127.0.0.1\nport={port}\n"
        f"[queue]\nprefix={prefix}\n"
        f"[app]\npidfile={path.with_suffix('.pid')}\n{keys}"
    )
    os.chmod(path, 0o600)
    return path


def medians(processes, seconds, directory):
    """Figures of each process by name, over so many seconds; its log is NAME.log in `directory`."""
    windows = {name: [] for name in processes}
    before = {name: Sample(name, process, directory) for name, process in processes.items()}
    for _ in range(WINDOWS):
        time.sleep(seconds / WINDOWS)
        for name, process in processes.items():
            after = Sample(name, process, directory)
            windows[name].append(after.since(before[name]))
            before[name] = after
    return {
        name: {key: statistics.median(figures[key] for figures in all_) for key in all_[0]}
        for name, all_ in windows.items()
    }


class Sample:
    """What the kernel says of a process at this moment."""

    def __init__(self, name, process, directory):
        if process.poll() is not None:
            log = (directory / f"{name}.log").read_text(errors="replace")
            sys.exit(f"{name} ended with status {process.returncode}:\n{log}")
        self.time = time.monotonic()
        # clock_getcpuclockid(3): CPUCLOCK_SCHED of the whole process.
        self.cpu_ns = time.clock_gettime_ns((~process.pid << 3) | 2)
        tasks = [status(path) for path in pathlib.Path(f"/proc/{process.pid}/task").glob("*/status")]
        self.switches = sum(
            int(task["voluntary_ctxt_switches"]) + int(task["nonvoluntary_ctxt_switches"]) for task in tasks
        )
        self.threads = len(tasks)
        self.rss_kb = int(tasks[0]["VmRSS"].split()[0])

    def since(self, before):
        seconds = self.time - before.time
        return {
            "cpu_ms_per_s": round((self.cpu_ns - before.cpu_ns) / 1e6 / seconds, 4),
            "switches_per_s": round((self.switches - before.switches) / seconds, 2),
            "rss_kb": self.rss_kb,
            "threads": self.threads,
        }


def status(path):
    """Keys and values of a /proc/PID/status."""
    return dict(line.split(":", 1) for line in path.read_text().splitlines())


def judge(name, seconds, figures, bars):
    """Prints figures and bars, writes them down, and gives the bars that were missed."""
    verdicts = [verdict(figures, *bar) for bar in bars]
    table(figures)
    for line, *_ in verdicts:
        print(line)
    missed = [name for _, name, _, met in verdicts if not met]
    ratios = {name: value for _, name, value, _ in verdicts}
    finish(name, seconds=seconds, figures=figures, ratios=ratios, missed=missed)
    return missed


def table(figures):
    print(f"{'':16}{'CPU ms/s':>10}{'switches/s':>12}{'RSS KiB':>10}{'threads':>9}")
    for name, row in figures.items():
        print(
            f"{name:16}{row['cpu_ms_per_s']:10.3f}{row['switches_per_s']:12.1f}"
            f"{row['rss_kb']:10.0f}{row['threads']:9.0f}"
        )


def verdict(figures, what, whose, to, most):
    """One bar: a line for people; name, value, and whether it is met for programs."""
    name = f"{whose} / {to} {what}" if to else f"{whose} {what}"
    value = round(figures[whose][what] / (figures[to][what] if to else 1), 3)
    met = most is None or value <= most
    bar = "" if most is None else f"  at most {most:g}  {'met' if met else 'MISSED'}"
    return f"{name}  {value:g}{bar}", name, value, met


def finish(name, **result):
    """The result as the last line, for programs; also in target/bench/NAME.json."""
    text = json.dumps(result)
    (TARGET / "bench" / f"{name}.json").write_text(text + "\n")
    print(text)
