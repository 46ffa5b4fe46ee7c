"""Processes, ports, folders, and a corpus that both sides are fed with."""
import json, os, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EDSR = os.environ.get("EDSR", os.path.join(ROOT, "target/release/edsr"))
PEERS = os.environ.get("EDSR_BENCH_SHARED", os.path.join(ROOT, "../shared/peers"))
HOME = os.environ.get("EDSR_BENCH_PEERS", os.path.join(tempfile.gettempdir(), "edsr-bench-peers"))
TICKS = os.sysconf("SC_CLK_TCK")


class Missing(Exception):
    """A peer, or the engine, is not here and cannot be had."""


def edsr(*args):
    """Runs a measurement of `edsr bench`; gives its figures by name."""
    if not os.access(EDSR, os.X_OK):
        raise Missing(f"there is no release build at {EDSR}; run `cargo build --release -p edsr`")
    done = subprocess.run([EDSR, "bench", "--json", *args], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"edsr bench {' '.join(args)}: {done.stderr}")
    return {figure["name"]: figure for figure in json.loads(done.stdout)}


def shared(path):
    found = os.path.join(PEERS, path)
    if not os.path.exists(found):
        raise Missing(f"{os.path.relpath(found, ROOT)} is not there")
    return found


def corpus(count=50_000):
    """Events of about 460 bytes, one a line."""
    folder = os.path.join(HOME, "corpus")
    path = os.path.join(folder, "events.jsonl")
    if not os.path.exists(path):
        subprocess.run([sys.executable, shared("corpus/gen_corpus.py"), folder, str(count)], check=True, stdout=subprocess.DEVNULL)
    return path


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def cpu(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


class Process:
    """A process in a temporary folder, with everything it started; ended by number."""

    def __init__(self, args, env=None, cwd=None, folder=None):
        self.folder = folder or tempfile.mkdtemp(prefix="edsr-bench-")
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=cwd,
                                        env={**os.environ, **(env or {})}, start_new_session=True)
        self.pid = self.process.pid

    def kill(self, keep=False):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def until(self, ready, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                text = open(os.path.join(self.folder, "log")).read()[-2000:]
                raise RuntimeError(f"{self.process.args[0]} ended: {text}")
            try:
                if ready():
                    return
            except OSError:
                pass
            time.sleep(0.002)
        raise RuntimeError(f"{self.process.args[0]} was not ready within {seconds} s")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def answers(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status == 200


def share(samples, percent):
    samples = sorted(samples)
    return samples[min(len(samples) - 1, len(samples) * percent // 100)]
