"""ansible-rulebook with a source in its own process. Nothing of it is durable."""
import json, os, re, subprocess, sys, time

from .common import HOME, Missing, Process, corpus, cpu, rss, share, shared

VERSION = "1.3.2"


def program():
    venv = os.path.join(HOME, "ar")
    found = os.path.join(venv, "bin/ansible-rulebook")
    if not os.path.exists(found):
        try:
            subprocess.run([sys.executable, "-m", "venv", venv], check=True, capture_output=True)
            subprocess.run([f"{venv}/bin/pip", "install", "-q", f"ansible-rulebook=={VERSION}", "ansible-core"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Missing(f"ansible-rulebook cannot be installed: {error}")
    return found


def rulebook(rules, kind, count, delay, mark):
    lines = []
    for number in range(rules):
        condition = f'event.data.service == "nosuch-{number}" and event.data.severity == "critical"'
        action = "none:"
        if number == rules - 1 and kind == "all":
            condition = 'event.specversion == "1.0"'
        if number == rules - 1 and kind == "latency":
            condition, action = "event.probe is defined", 'debug:\n            msg: "LAT {{ event.probe }}"'
        lines.append(f"    - name: r{number}\n      condition: {condition}\n      action:\n        {action}\n")
    lines.append("    - name: fin\n      condition: event.finished == 1\n      action:\n        debug:\n            msg: BENCH_DONE\n")
    return (f"- name: bench\n  hosts: all\n  sources:\n    - feed:\n        file: {corpus()}\n        count: {count}\n"
            f"        delay: {delay}\n        mark: {mark}\n  rules:\n" + "".join(lines))


def run(rules, kind, count=2_000, delay=0):
    exe = program()
    sources = shared("ansible-rulebook/sources")
    process = None
    begun = time.time()
    try:
        import tempfile
        folder = tempfile.mkdtemp(prefix="edsr-bench-")
        mark = os.path.join(folder, "mark.json")
        with open(os.path.join(folder, "rb.yml"), "w") as out:
            out.write(rulebook(rules, kind, count, delay, mark))
        with open(os.path.join(folder, "inv"), "w") as out:
            out.write("localhost ansible_connection=local\n")
        process = Process([exe, "-r", f"{folder}/rb.yml", "-S", sources, "-i", f"{folder}/inv"], folder=folder,
                          env={"PYTHONUNBUFFERED": "1", "PATH": os.path.dirname(exe) + ":" + os.environ["PATH"]})
        latencies, end = [], time.monotonic() + 180
        with open(os.path.join(folder, "log")) as log:
            while time.monotonic() < end:
                line = log.readline()
                if not line:
                    if process.process.poll() is not None:
                        raise RuntimeError("ansible-rulebook ended: " + open(f"{folder}/log").read()[-1500:])
                    time.sleep(0.0005)
                    continue
                now = time.time()
                found = re.search(r"LAT ([0-9.]+)", line)
                if found:
                    latencies.append((now - float(found[1])) * 1e3)
                if "BENCH_DONE" in line:
                    start = json.load(open(mark))
                    used = max(cpu(start["pid"]) - start["cpu"], 0.01)
                    result = {"rate": count / (now - start["t"]), "per_cpu": count / used, "cpu": used,
                              # The source waits three seconds after its first events.
                              "start": start["t"] - begun - 3, "memory": rss(start["pid"])}
                    if latencies:
                        result |= {"p50": share(latencies, 50), "p99": share(latencies, 99)}
                    return result
        raise RuntimeError("ansible-rulebook did not finish")
    finally:
        if process:
            process.kill()
