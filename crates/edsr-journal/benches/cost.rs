//! What the journal costs: appends in units of several sizes, and a verification, beside the bare limit in the same run.
//!
//! `cargo bench -p edsr-journal`. The bare limit of an append is SQLite with the same sync putting the same bytes (body
//! and both hashes) into one table with nothing beside it; that of a verification is reading them back and hashing each
//! once. CPU is that of the one thread that does it, bytes are what it hands to the system, both from `/proc`.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use edsr_journal::sample;
use edsr_journal::{Journal as _, Signer, SqliteJournal, SqliteOptions, VerifyOptions, verify};
use edsr_model::{Cause, Digest, Draft, Lsn, Seq};
use rusqlite::{Connection, params};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Entries that are there before the clock starts, so that trees have a usual depth.
const BEFORE: u64 = 30_000;
/// Units of so many entries, and how many entries each round appends.
const UNITS: [(usize, usize); 3] = [(1, 400), (16, 4_000), (256, 12_800)];
const ROUNDS: usize = 5;
/// So many entries are appended to find the slowest append.
const SLOWEST_OF: usize = 20_000;
/// The kinds a run of ten steps writes, by their place in the samples.
const OPENING: [u64; 4] = [7, 10, 11, 12];
const STEP: [u64; 2] = [13, 5];
const CLOSING: [u64; 3] = [15, 16, 9];
const STEPS: usize = 10;
/// How many runs are under way at once.
const AT_ONCE: u64 = 256;

/// What something took.
#[derive(Clone, Copy, Default)]
struct Cost {
    wall_us: f64,
    cpu_us: f64,
    bytes: f64,
}

/// What the thread used so far.
struct Meter {
    started: Instant,
    cpu_ns: u64,
    bytes: u64,
}

impl Meter {
    #[allow(
        clippy::disallowed_methods,
        reason = "a stopwatch is what a measurement is made with"
    )]
    fn start() -> Fallible<Self> {
        let (cpu_ns, bytes) = used()?;
        Ok(Self {
            started: Instant::now(),
            cpu_ns,
            bytes,
        })
    }

    fn stop(self, count: u64) -> Fallible<Cost> {
        let (cpu_ns, bytes) = used()?;
        let each = |amount: f64| amount / count as f64;
        Ok(Cost {
            wall_us: each(self.started.elapsed().as_secs_f64() * 1e6),
            cpu_us: each((cpu_ns - self.cpu_ns) as f64 / 1e3),
            bytes: each((bytes - self.bytes) as f64),
        })
    }
}

/// Nanoseconds of CPU and bytes written, of this thread.
fn used() -> Fallible<(u64, u64)> {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let cpu = schedstat.split_whitespace().next().ok_or("no CPU time")?;
    let io = fs::read_to_string("/proc/thread-self/io")?;
    let written = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    Ok((cpu.parse()?, written.ok_or("no bytes")?.parse()?))
}

/// The draft of seq `seq`: many runs of ten steps at once, as an engine would write them.
fn draft(seq: u64) -> Draft {
    let length = (OPENING.len() + STEP.len() * STEPS + CLOSING.len()) as u64;
    let place = (seq / AT_ONCE % length) as usize;
    let run = seq / (AT_ONCE * length) * AT_ONCE + seq % AT_ONCE;
    let steps = STEP.iter().cycle().take(STEP.len() * STEPS);
    let kind = OPENING.iter().chain(steps).chain(&CLOSING).nth(place);
    let kind = kind.copied().unwrap_or_default();
    // Samples of twenty numbers in a row are about the same things, and seventeen in a row have every kind.
    let first = run * 20;
    let kinds = sample::KINDS as u64;
    let like = first + (kind + kinds - first % kinds) % kinds;
    Draft {
        seq: Seq(seq),
        lsn: Lsn(seq / 8),
        cause: Some(Cause::Entry(Seq(seq.saturating_sub(1)))),
        correlation: Some(sample::detection(first).incident.to_string()),
        ..sample::draft(like)
    }
}

fn drafts(first: u64, count: usize) -> Vec<Draft> {
    (first..).take(count).map(draft).collect()
}

/// SQLite with the same sync, and one table.
struct Bare(Connection);

impl Bare {
    fn new(path: &Path) -> Fallible<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection
            .execute_batch("CREATE TABLE bare (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL)")?;
        Ok(Self(connection))
    }

    fn append(&mut self, first: u64, bodies: &[Vec<u8>]) -> Fallible<()> {
        let transaction = self.0.transaction()?;
        let mut insert = transaction.prepare_cached("INSERT INTO bare VALUES (?1, ?2)")?;
        for (seq, body) in (first..).zip(bodies) {
            insert.execute(params![seq, body])?;
        }
        drop(insert);
        Ok(transaction.commit()?)
    }
}

/// The bytes the journal must keep of each draft: the body and two hashes.
fn kept(drafts: &[Draft]) -> Fallible<Vec<Vec<u8>>> {
    let body = |draft: &Draft| -> Fallible<Vec<u8>> {
        let mut bytes = serde_json::to_vec(draft)?;
        let hash = Digest::of(&bytes);
        bytes.extend_from_slice(&hash.0);
        bytes.extend_from_slice(&Digest::of(&hash.0).0);
        Ok(bytes)
    };
    drafts.iter().map(body).collect()
}

fn median(costs: &[Cost]) -> Cost {
    let middle = |figure: fn(&Cost) -> f64| {
        let mut figures: Vec<_> = costs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or_default()
    };
    Cost {
        wall_us: middle(|cost| cost.wall_us),
        cpu_us: middle(|cost| cost.cpu_us),
        bytes: middle(|cost| cost.bytes),
    }
}

fn line(name: &str, ours: &[Cost], bare: &[Cost]) {
    let (ours, bare) = (median(ours), median(bare));
    let ratio = |ours: f64, bare: f64| match bare > 0.0 {
        true => format!("{:.2}", ours / bare),
        false => "-".to_owned(),
    };
    println!(
        "{name:<12} {:>9.1} {:>9.1} {:>8.0} | {:>9.1} {:>9.1} {:>8.0} | {:>5} {:>5}",
        ours.wall_us,
        ours.cpu_us,
        ours.bytes,
        bare.wall_us,
        bare.cpu_us,
        bare.bytes,
        ratio(ours.cpu_us, bare.cpu_us),
        ratio(ours.bytes, bare.bytes),
    );
}

fn appends(dir: &Path, journal: &mut SqliteJournal) -> Fallible<()> {
    let mut bare = Bare::new(&dir.join("bare.db"))?;
    let mut seq = 1;
    while seq <= BEFORE {
        let unit = drafts(seq, 1_000);
        bare.append(seq, &kept(&unit)?)?;
        journal.append(&unit)?;
        seq += 1_000;
    }
    for (unit, count) in UNITS {
        let (mut ours, mut limit) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let all = drafts(seq, count);
            let bytes = kept(&all)?;
            let meter = Meter::start()?;
            for unit in all.chunks(unit) {
                journal.append(unit)?;
            }
            ours.push(meter.stop(count as u64)?);
            let meter = Meter::start()?;
            for (number, unit_bytes) in bytes.chunks(unit).enumerate() {
                bare.append(seq + (number * unit) as u64, unit_bytes)?;
            }
            limit.push(meter.stop(count as u64)?);
            seq += count as u64;
        }
        line(&format!("append {unit}"), &ours, &limit);
    }
    println!(
        "the slowest append of 16: {:.1} ms of CPU",
        slowest(journal, seq)? / 1e3
    );
    Ok(())
}

/// Microseconds of CPU of the slowest of many appends: one of them settles what was mentioned since the last time.
fn slowest(journal: &mut SqliteJournal, first: u64) -> Fallible<f64> {
    let mut slowest = 0.0_f64;
    for unit in drafts(first, SLOWEST_OF).chunks(16) {
        let meter = Meter::start()?;
        journal.append(unit)?;
        slowest = slowest.max(meter.stop(1)?.cpu_us);
    }
    Ok(slowest)
}

fn verifications(dir: &Path, options: &VerifyOptions) -> Fallible<()> {
    let connection = Connection::open(dir.join("bare.db"))?;
    let (mut ours, mut limit) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let meter = Meter::start()?;
        let report = verify(&dir.join("journal.db"), options)?;
        ours.push(meter.stop(report.entries)?);
        if !report.is_ok() {
            return Err(report.to_string().into());
        }
        let meter = Meter::start()?;
        let mut statement = connection.prepare("SELECT bytes FROM bare ORDER BY seq")?;
        let mut rows = statement.query([])?;
        let mut all = Digest::default();
        while let Some(row) = rows.next()? {
            all = Digest::of_parts([&all.0, row.get_ref(0)?.as_blob()?]);
        }
        std::hint::black_box(all);
        limit.push(meter.stop(report.entries)?);
    }
    line("verify", &ours, &limit);
    Ok(())
}

fn main() -> Fallible<()> {
    let dir = tempfile::tempdir()?;
    let signer = Signer::from_seed(&[42; 32]);
    let options = VerifyOptions::new(signer.public().clone());
    let path = dir.path().join("journal.db");
    let mut journal = SqliteJournal::open(&path, signer, SqliteOptions::default())?;
    println!(
        "per entry:        the journal                  | the bare limit               | ratio of"
    );
    println!(
        "{:<12} {:>9} {:>9} {:>8} | {:>9} {:>9} {:>8} | {:>5} {:>5}",
        "", "us", "us of CPU", "bytes", "us", "us of CPU", "bytes", "CPU", "bytes"
    );
    appends(dir.path(), &mut journal)?;
    drop(journal);
    verifications(dir.path(), &options)?;
    let size = fs::metadata(&path)?.len();
    println!(
        "the journal's file has {size} bytes, the bare one {}",
        fs::metadata(dir.path().join("bare.db"))?.len()
    );
    Ok(())
}
