"""What is compared with what."""
from . import ansible, bare, nats, restate
from .common import edsr

SYNCED = "every event synced before it is acknowledged"
ALL_SYNCED = "event, decision, intent and outcome synced, each before what follows"


def figure(name, *args):
    found = edsr(name, *args)
    return found[name] if name in found else found


def ours(name, *args):
    """One of our measurements in the words of the comparison."""
    def measure(options):
        found = figure(name, "--seconds", str(options.seconds), *args)
        return {"rate": found["perSecond"], "per_cpu": found["perCpuSecond"], "cpu": found["cpuSeconds"],
                "p50": found["p50Ms"], "p99": found["p99Ms"], "memory": found["memoryBytes"]}
    return measure


def case(name, who, ours, peer, figures, durable):
    return {"name": name, "who": who, "ours": ours, "peer": peer, "figures": figures, "durable": durable}


RATES = {"per_cpu": "more", "rate": "more"}
TIMES = {"p50": "less", "p99": "less"}
NOT_DURABLE = "nothing is durable"


def nothing_matches(rules):
    return lambda: case("B6", f"ansible-rulebook, {rules} rules", ours("ingest-batch", "--detectors", str(rules)),
                        lambda _: ansible.run(rules, "none"), RATES, (SYNCED, NOT_DURABLE))


def all_match():
    return case("B7", "ansible-rulebook, 100 rules, action none; ours: every event counts in one window that holds",
                ours("match", "--detectors", "100"), lambda _: ansible.run(100, "all"), RATES, (SYNCED, NOT_DURABLE))


def all_decide():
    return case("B7", "ansible-rulebook, 100 rules, action none; ours: every event opens a detection and is decided on",
                ours("decide", "--detectors", "100"), lambda _: ansible.run(100, "all"), RATES, (ALL_SYNCED, NOT_DURABLE))


def latency():
    def measure(options):
        found = edsr("latency", "--detectors", "100", "--seconds", str(options.seconds))["latency-30"]
        return {"p50": found["p50Ms"], "p99": found["p99Ms"], "cpu": found["cpuSeconds"]}
    return case("B8", "ansible-rulebook debug, 100 rules, 30/s", measure,
                lambda options: ansible.run(100, "latency", 30 * options.seconds, 1 / 30), TIMES, (ALL_SYNCED, NOT_DURABLE))


def start():
    def measure(_):
        found = edsr("start", "--detectors", "100")["start"]
        return {"start_s": found["p50Ms"] / 1e3, "memory": found["memoryBytes"], "cpu": found["cpuSeconds"]}

    def peer(_):
        found = ansible.run(100, "none", 100)
        return {"start_s": found["start"], "memory": found["memory"], "cpu": found["cpu"]}
    return case("B9", "ansible-rulebook, 100 rules", measure, peer, {"start_s": "less", "memory": "less"},
                ("the first event synced", NOT_DURABLE))


def one_connection(always):
    who = "NATS JetStream, sync_interval: always, 1,024 in flight" if always else "NATS JetStream, default, 1,024 in flight"
    durable = "every message synced" if always else "synced every two minutes"
    return lambda: case("B10" if always else "B11", who, ours("ingest-connection", "--detectors", "0"),
                        lambda options: nats.run(always, 1024, options.seconds), RATES, (SYNCED, durable))


def one_event():
    return case("B12", "NATS JetStream, sync_interval: always, 1 in flight", ours("ingest-one", "--detectors", "0"),
                lambda options: nats.run(True, 1, options.seconds), TIMES, (SYNCED, "every message synced"))


def steps():
    return case("B13", "Restate, 10 steps, 256 at once (per_cpu is B16)", ours("steps"),
                lambda options: restate.run(10, 256, options.seconds), RATES, (ALL_SYNCED, "synced per batch"))


def steps_http():
    return case("B14", "Restate, 10 steps, 128 at once; each of our steps is a call over HTTP", ours("steps-http"),
                lambda options: restate.run(10, 128, options.seconds), RATES, (ALL_SYNCED, "synced per batch"))


def one_playbook():
    return case("B15", "Restate, 3 steps, one at a time", ours("steps-one"),
                lambda options: restate.run(3, 1, options.seconds), TIMES, (ALL_SYNCED, "synced per batch"))


def overhead():
    return case("B17", "bare axum + sonic-rs, parse only, 100 events in a request", ours("ingest-batch", "--detectors", "100"),
                lambda options: bare.run(options.seconds), RATES, (SYNCED, NOT_DURABLE))


def recovery():
    def measure(options):
        found = edsr("recovery", "--detectors", "0", "--events", str(options.events))["recovery"]
        return {"seconds": found["p50Ms"] / 1e3, "cpu": found["cpuSeconds"]}
    return case("B21", "NATS JetStream, default; the same number of messages", measure,
                lambda options: nats.recovery(options.events), {"seconds": "less"},
                ("no acknowledged event lost", "synced every two minutes"))


def all_cases():
    return {
        "B6": [nothing_matches(1), nothing_matches(100)], "B7": [all_match, all_decide], "B8": [latency], "B9": [start],
        "B10": [one_connection(True)], "B11": [one_connection(False)], "B12": [one_event], "B13": [steps],
        "B14": [steps_http], "B15": [one_playbook], "B17": [overhead], "B21": [recovery],
    }
