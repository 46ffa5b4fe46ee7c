//! Power is lost at random; what was acknowledged is there, once and in order, life after life.

use std::time::Duration;

use edsr_log::rng::SplitMix64;
use edsr_log::{EventLog, Fault, LogError, MemDisk, Retention, StoredRecord};
use edsr_model::Lsn;

use crate::support::{append, open, read_all, time};

const SEEDS: u64 = 600;
const LIVES: u64 = 6;

/// The log as it must be: `sure` is acknowledged, `maybe` was given and not acknowledged.
#[derive(Default)]
struct Model {
    sure: Vec<StoredRecord>,
    maybe: Vec<StoredRecord>,
    floor: u64,
}

impl Model {
    fn acknowledge(&mut self, durable: Lsn) {
        let count = (durable.0 as usize - self.sure.len()).min(self.maybe.len());
        self.sure.extend(self.maybe.drain(..count));
    }

    /// What an open shows is durable from then on.
    fn check(&mut self, log: &dyn EventLog, case: &str) {
        // Faults planned for a life may strike here; each strikes once.
        let kept = (0..LIVES).find_map(|_| read_all(log).ok());
        let kept = kept.map_or_else(|| read_all(log), Ok);
        let kept = kept.unwrap_or_else(|error| panic!("{case}: {error}"));
        let (first, end) = (log.first().0 as usize, log.end().0 as usize);
        assert!(
            end >= self.sure.len(),
            "{case}: lost {} of {}",
            end,
            self.sure.len()
        );
        assert!(
            first as u64 <= self.floor.max(1),
            "{case}: begins with {first}"
        );
        self.acknowledge(log.end());
        self.maybe.clear();
        assert_eq!(kept, self.sure[first - 1..], "{case}");
    }
}

fn live(
    log: &mut dyn EventLog,
    model: &mut Model,
    life: u64,
    rng: &mut SplitMix64,
) -> Result<(), LogError> {
    for _ in 0..rng.below(40) {
        match rng.below(20) {
            0..=12 => {
                let number = log.end().0 + 1;
                model.maybe.push(crate::support::record(number, life));
                append(log, number, life)?;
            }
            13..=17 => model.acknowledge(log.commit()?),
            18 => {
                model.floor = model
                    .floor
                    .max(log.durable().0.saturating_sub(rng.below(20)));
                let retention = Retention {
                    age_max: Some(Duration::from_secs(rng.below(30))),
                    bytes_max: Some(rng.below(4_000)),
                };
                log.retain(&retention, Lsn(model.floor), time(log.end().0))?;
            }
            _ if rng.one_in(8) => {
                model.acknowledge(log.close()?);
                return Ok(());
            }
            _ => {}
        }
    }
    Ok(())
}

fn history(seed: u64) {
    let mut rng = SplitMix64::new(seed);
    let disk = MemDisk::new(rng.next_u64());
    let mut model = Model::default();
    for life in 0..LIVES {
        let case = format!("seed {seed}, life {life}");
        if rng.one_in(3) {
            let fault = [Fault::Eio, Fault::Enospc, Fault::ShortWrite][rng.below(3) as usize];
            disk.fail_call(disk.calls() + rng.below(120), fault);
        }
        match open(&disk) {
            Ok(mut log) => {
                model.check(&log, &case);
                // Errors stop this life, as a crash does.
                let _ = live(&mut log, &mut model, life, &mut rng);
            }
            Err(LogError::Disk(_)) => {}
            Err(error) => panic!("{case}: {error}"),
        }
        // Or the process alone ends, and what the system holds stays.
        if !rng.one_in(4) {
            disk.crash();
        }
    }
    let disk = MemDisk::from_image(seed, &disk.image());
    model.check(&open(&disk).unwrap(), &format!("seed {seed}, at last"));
}

#[test]
fn what_was_acknowledged_survives() {
    for seed in 0..SEEDS {
        history(seed);
    }
}
