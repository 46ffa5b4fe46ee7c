// Invokes `bench/steps` in a closed loop. Usage: node load.mjs INGRESS_URL STEPS AT_ONCE SECONDS
import http from "node:http";
const base = new URL(process.argv[2]);
const [k, atOnce, seconds] = process.argv.slice(3).map(Number);
const agent = new http.Agent({ keepAlive: true, maxSockets: 2048 });
const body = JSON.stringify({ k });
const call = () => new Promise((ok, no) => {
  const headers = { "content-type": "application/json", "content-length": body.length };
  const request = http.request({ host: base.hostname, port: base.port, path: "/bench/steps", method: "POST", agent, headers }, (answer) => {
    answer.resume();
    answer.on("end", () => (answer.statusCode < 300 ? ok() : no(new Error("status " + answer.statusCode))));
  });
  request.on("error", no);
  request.end(body);
});
const took = [];
const begun = performance.now();
const end = begun + seconds * 1000;
await Promise.all(Array.from({ length: atOnce }, async () => {
  while (performance.now() < end) { const at = performance.now(); await call(); took.push(performance.now() - at); }
}));
const all = (performance.now() - begun) / 1000;
took.sort((a, b) => a - b);
const share = (p) => took[Math.min(took.length - 1, Math.floor((took.length * p) / 100))];
console.log(JSON.stringify({ count: took.length, seconds: all, p50: share(50), p99: share(99) }));
agent.destroy();
