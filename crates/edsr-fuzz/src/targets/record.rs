//! What is on disk, and what others hand over as evidence.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use edsr_journal::{InclusionProof, PublicKey, Signer, verify_export, verify_proof};
use edsr_log::{EventLog as _, FileLog, FileLogSettings, MemDisk, ReadLimit, StoredRecord};
use edsr_model::{Draft, Lsn, Timestamp};

/// Payloads of the sample log.
const RECORDS: i64 = 24;

type Image = BTreeMap<String, Vec<u8>>;

fn settings() -> FileLogSettings {
    let mut settings = FileLogSettings::new(7);
    settings.segment_bytes = 1024;
    settings
}

/// A closed log of several segments: its files, and what is in it.
static LOG: LazyLock<(Image, Vec<StoredRecord>)> = LazyLock::new(|| {
    let disk = MemDisk::new(1);
    #[allow(clippy::expect_used, reason = "a disk in memory that nobody made fail")]
    let mut log = FileLog::open(disk.clone(), settings()).expect("it opens");
    for n in 0..RECORDS {
        let payload = vec![b'a' + (n % 26) as u8; 20 + 7 * n as usize];
        let _ = log.append(Timestamp::from_secs(n + 1), &payload);
        if n % 3 == 0 {
            let _ = log.commit();
        }
    }
    let _ = log.close();
    let records = log.reader().read(Lsn(1), ReadLimit::default());
    (disk.image(), records.unwrap_or_default())
});

/// Edits of a sound log, five bytes each: which file, where (two bytes), what (change, cut, insert), with which byte.
/// Whatever was done, no record comes out that was not put in.
pub(super) fn log(data: &[u8]) {
    let (sound, records) = &*LOG;
    let mut image = sound.clone();
    let names: Vec<String> = image.keys().cloned().collect();
    for edit in data.chunks_exact(5).take(64) {
        let name = &names[usize::from(edit[0]) % names.len()];
        let place = usize::from(u16::from_be_bytes([edit[1], edit[2]]));
        let Some(file) = image.get_mut(name) else {
            continue;
        };
        match edit[3] % 5 {
            0 if place < file.len() => file[place] ^= edit[4],
            1 => file.truncate(place),
            2 if place <= file.len() => file.insert(place, edit[4]),
            3 => file.extend(std::iter::repeat_n(edit[4], place % 4096)),
            4 => {
                image.remove(name);
            }
            _ => {}
        }
    }
    let Ok(opened) = FileLog::open(MemDisk::from_image(2, &image), settings()) else {
        return;
    };
    let read = opened.reader().read(opened.first(), ReadLimit::default());
    for record in read.unwrap_or_default() {
        let known = records.iter().find(|known| known.lsn == record.lsn);
        assert_eq!(Some(&record), known, "a record that was never written");
    }
}

/// What is an entry is written as it was read.
pub(super) fn entry(data: &[u8]) {
    if let Ok(draft) = serde_json::from_slice::<Draft>(data) {
        let written = serde_json::to_vec(&draft).unwrap_or_default();
        let again = serde_json::from_slice::<Draft>(&written);
        assert_eq!(again.ok(), Some(draft));
    }
}

static KEY: LazyLock<PublicKey> = LazyLock::new(|| Signer::from_seed(&[7; 32]).public().clone());

/// Nobody without the key makes a proof, a checkpoint or an export that is believed.
pub(super) fn proof(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let signed_by_us = text.contains(KEY.name());
    assert!(KEY.open(&text).is_err() || signed_by_us);
    let _ = text.parse::<PublicKey>();
    if let Ok(proof) = serde_json::from_str::<InclusionProof>(&text) {
        assert!(verify_proof(&proof, &KEY).is_err() || signed_by_us);
    }
    let mut reader = std::io::Cursor::new(data);
    assert!(verify_export(&mut reader, &KEY).is_err() || signed_by_us);
}
