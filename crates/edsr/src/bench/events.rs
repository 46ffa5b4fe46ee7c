//! Events as services send them: about 460 bytes, the same ones for the same number.

/// How many different events there are; what follows the id comes again after so many.
const POOL: u64 = 2_000;

const SERVICES: &[&str] = &[
    "checkout", "payments", "cart", "catalog", "search", "auth", "ledger", "shipping",
];
const REGIONS: &[&str] = &["eu-west-1", "eu-central-1", "us-east-1", "ap-south-1"];
const SEVERITIES: &[&str] = &["info", "info", "info", "warning", "warning", "error"];
const SUMMARIES: &[&str] = &[
    "p99 latency above objective for 5 minutes",
    "readiness probe failed 3 times in a row",
    "container terminated with exit code 137",
    "connection pool exhausted, waiters growing",
];

/// Writes events, each with an id that no other has.
pub(super) struct Events {
    rests: Vec<String>,
    next: u64,
}

impl Events {
    /// Events of the type `kind`, numbered from `from` on.
    pub(super) fn new(kind: &str, from: u64) -> Self {
        Self {
            rests: (0..POOL).map(|number| rest(kind, number)).collect(),
            next: from,
        }
    }

    /// Appends one event and no line end.
    pub(super) fn write(&mut self, body: &mut Vec<u8>) {
        let number = self.next;
        self.next += 1;
        body.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":\"");
        body.extend_from_slice(format!("{number:016x}").as_bytes());
        let place = usize::try_from(number % POOL).unwrap_or(0);
        body.extend_from_slice(self.rests[place].as_bytes());
    }

    /// `count` events, one a line.
    pub(super) fn batch(&mut self, count: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(count * 512);
        for _ in 0..count {
            self.write(&mut body);
            body.push(b'\n');
        }
        body
    }
}

/// An event with a key of its own, which the bundles of the measurements answer.
pub(super) fn wrong(kind: &str, key: u64) -> Vec<u8> {
    format!(
        "{{\"specversion\":\"1.0\",\"id\":\"w{key:x}\",\"source\":\"/bench\",\"type\":\"{kind}\",\
         \"datacontenttype\":\"application/json\",\"data\":{{\"k\":\"{key:x}\",\"bad\":true}}}}"
    )
    .into_bytes()
}

/// What stands behind the id.
fn rest(kind: &str, number: u64) -> String {
    let mut draw = Draw(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let service = draw.of(SERVICES);
    let region = draw.of(REGIONS);
    let (severity, summary) = (draw.of(SEVERITIES), draw.of(SUMMARIES));
    let (node, team, pod) = (draw.below(500), draw.below(40), draw.below(1 << 24));
    let status = [200, 429, 500, 502, 503, 504][draw.place(6)];
    let (ms, count) = (draw.below(90_000), draw.below(100));
    format!(
        "\",\"source\":\"/prod/{region}/{service}\",\"type\":\"{kind}\",\"time\":\"2025-03-01T00:{:02}:{:02}.{:03}Z\",\
         \"datacontenttype\":\"application/json\",\"subject\":\"{service}/node-{node:04}\",\"data\":{{\
         \"service\":\"{service}\",\"severity\":\"{severity}\",\"status\":{status},\"latency_ms\":{}.{:02},\
         \"count\":{count},\"labels\":{{\"region\":\"{region}\",\"node\":\"node-{node:04}\",\"team\":\"team-{team}\",\
         \"pod\":\"{service}-{pod:06x}\"}},\"summary\":\"{summary}\"}}}}",
        draw.below(60),
        draw.below(60),
        draw.below(1_000),
        ms / 100,
        ms % 100,
    )
}

/// xorshift64* (Vigna, 2016): numbers that look drawn and are always the same.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % end
    }

    fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    fn of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.place(words.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_json_of_the_size_that_is_claimed_and_each_has_its_own_id() {
        let body = Events::new("bench.event", 1).batch(4_000);
        let mut ids = std::collections::BTreeSet::new();
        let text = std::str::from_utf8(&body).unwrap();
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(ids.insert(value["id"].to_string()));
            assert_eq!(value["type"], "bench.event");
        }
        assert_eq!(ids.len(), 4_000);
        assert!((420..500).contains(&(body.len() / 4_000)), "{}", body.len());
        let value: serde_json::Value = serde_json::from_slice(&wrong("bench.wrong", 31)).unwrap();
        assert_eq!(value["data"]["k"], "1f");
    }
}
