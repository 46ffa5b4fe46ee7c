"""Restate with its Node SDK: the same number of durable steps."""
import glob, json, os, shutil, subprocess, time, urllib.request

from .common import HOME, Missing, Process, answers, cpu, free_port, rss, shared

HERE = os.path.dirname(os.path.abspath(__file__))


def home():
    folder = os.path.join(HOME, "restate")
    if not glob.glob(f"{folder}/node_modules/@restatedev/restate-server-*/bin/restate-server"):
        os.makedirs(folder, exist_ok=True)
        shutil.copy(shared("restate/package.json"), folder)
        try:
            subprocess.run(["npm", "install", "--silent", "--no-fund", "--no-audit"], cwd=folder, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Missing(f"Restate cannot be installed: {error}")
    for name, path in (("svc.mjs", shared("restate/svc.mjs")), ("load.mjs", f"{HERE}/load.mjs")):
        target = os.path.join(folder, name)
        with open(path) as source, open(target, "w") as out:
            out.write(source.read())
    return folder


def run(steps, at_once, seconds):
    folder = home()
    program = glob.glob(f"{folder}/node_modules/@restatedev/restate-server-*/bin/restate-server")[0]
    service_port, ingress, admin, node = (free_port() for _ in range(4))
    import tempfile
    data = tempfile.mkdtemp(prefix="edsr-bench-")
    service = Process(["node", "svc.mjs"], cwd=folder, env={"SVC_PORT": str(service_port)})
    server = Process([program, "--base-dir", f"{data}/data", "--bind-ip", "127.0.0.1"], folder=data, env={
        "RESTATE_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "RESTATE_LOG_FILTER": "error", "RUST_LOG": "error",
        "RESTATE_INGRESS__BIND_PORT": str(ingress), "RESTATE_ADMIN__BIND_PORT": str(admin), "RESTATE_BIND_PORT": str(node)})
    try:
        server.until(lambda: answers(f"http://127.0.0.1:{admin}/health"))
        body = json.dumps({"uri": f"http://127.0.0.1:{service_port}"}).encode()

        def deployed():
            request = urllib.request.Request(f"http://127.0.0.1:{admin}/deployments", body, {"content-type": "application/json"})
            return urllib.request.urlopen(request, timeout=10).status < 300
        server.until(deployed)
        time.sleep(1)
        call = ["node", "load.mjs", f"http://127.0.0.1:{ingress}", str(steps), str(at_once)]
        subprocess.run(call + ["1"], cwd=folder, check=True, capture_output=True, timeout=120)
        before = cpu(server.pid)
        done = subprocess.run(call + [str(seconds)], cwd=folder, check=True, capture_output=True, text=True, timeout=300)
        used = max(cpu(server.pid) - before, 0.01)
        found = json.loads(done.stdout)
        count = found["count"] * steps
        return {"rate": count / found["seconds"], "per_cpu": count / used, "p50": found["p50"], "p99": found["p99"],
                "cpu": used, "memory": rss(server.pid)}
    finally:
        server.kill()
        service.kill()
