"""A bare HTTP server that parses what it is sent and keeps nothing."""
import os, socket, subprocess, time

from .common import HOME, Missing, Process, corpus, cpu, free_port, shared


def program():
    target = os.path.join(HOME, "target")
    found = os.path.join(target, "release/peer-http")
    if not os.path.exists(found):
        manifest = shared("raw-limits/http/Cargo.toml")
        copy = os.path.join(HOME, "bare")
        os.makedirs(f"{copy}/src", exist_ok=True)
        for name in ("Cargo.toml", "src/main.rs"):
            with open(os.path.join(os.path.dirname(manifest), name)) as source, open(f"{copy}/{name}", "w") as out:
                out.write(source.read())
        build = ["cargo", "build", "--release", "-q", "--manifest-path", f"{copy}/Cargo.toml"]
        env = {**os.environ, "CARGO_TARGET_DIR": target}
        done = subprocess.run(build, env=env, capture_output=True, text=True)
        if done.returncode != 0:
            raise Missing(f"the bare server cannot be built: {done.stderr[-500:]}")
    return found


def run(seconds, in_request=100, connections=4):
    port = free_port()
    with Process([program()], env={"PORT": str(port), "THREADS": "2"}) as process:
        process.until(lambda: socket.create_connection(("127.0.0.1", port)).close() is None)
        lines = open(corpus(), "rb").readlines()
        bodies = []
        for at in range(0, len(lines) - in_request, in_request):
            body = b"".join(lines[at:at + in_request])
            bodies.append(b"POST /parse HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        before, begun, sent = cpu(process.pid), time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            for one in sockets:
                one.sendall(bodies[sent % len(bodies)])
                sent += 1
            for one in sockets:
                answer = one.recv(4096)
                if b" 202 " not in answer[:20]:
                    raise RuntimeError(answer[:100])
        took = time.monotonic() - begun
        used = max(cpu(process.pid) - before, 0.01)
        count = sent * in_request
        return {"rate": count / took, "per_cpu": count / used, "cpu": used}
