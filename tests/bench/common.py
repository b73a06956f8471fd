"""What the benchmarks share: where things are, a broker of their own, the end of processes."""

import contextlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"

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
def broker(name):
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
        subprocess.run([script, "start", directory], check=True)
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


def finish(name, **result):
    """The result as the last line, for programs; also in target/bench/NAME.json."""
    text = json.dumps(result)
    (TARGET / "bench" / f"{name}.json").write_text(text + "\n")
    print(text)
